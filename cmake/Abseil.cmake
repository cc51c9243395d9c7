# Abseil: Debian's shared libraries for developers, or a private static build from a source tree
# (HADAL_ABSEIL_SOURCE, see fetch_abseil.sh), which leaves no trace in libhadal.so's dependencies and
# symbols. Only the archives that something links are built.
set(HADAL_ABSEIL_SOURCE "" CACHE PATH "Source tree of Abseil for a private static build")
set(HADAL_ABSEIL_PARTS status statusor strings hash core_headers)

add_library(hadal_abseil INTERFACE)
if(HADAL_ABSEIL_SOURCE)
  if(NOT EXISTS ${HADAL_ABSEIL_SOURCE}/CMakeLists.txt)
    message(FATAL_ERROR "HADAL_ABSEIL_SOURCE: ${HADAL_ABSEIL_SOURCE} holds no Abseil. "
      "sh cmake/fetch_abseil.sh puts it into build/abseil-src.")
  endif()
  set(ABSL_PROPAGATE_CXX_STD ON)
  set(ABSL_ENABLE_INSTALL OFF)
  set(BUILD_SHARED_LIBS OFF)
  add_subdirectory(${HADAL_ABSEIL_SOURCE} ${CMAKE_BINARY_DIR}/abseil EXCLUDE_FROM_ALL SYSTEM)
  # Abseil's files get the stand-in for <iostream> too, or they bring static constructors back.
  get_property(folders DIRECTORY ${HADAL_ABSEIL_SOURCE}/absl PROPERTY SUBDIRECTORIES)
  foreach(folder IN LISTS folders)
    get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
    foreach(target IN LISTS targets)
      get_target_property(type ${target} TYPE)
      if(type STREQUAL "STATIC_LIBRARY")
        target_include_directories(${target} BEFORE PRIVATE
          ${PROJECT_SOURCE_DIR}/lib/base/no_iostream)
      endif()
    endforeach()
  endforeach()
else()
  find_package(absl REQUIRED)
endif()
foreach(part IN LISTS HADAL_ABSEIL_PARTS)
  target_link_libraries(hadal_abseil INTERFACE absl::${part})
endforeach()
