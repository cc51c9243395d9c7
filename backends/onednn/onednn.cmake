# The module libhadal_onednn.so, if there is a oneDNN of version 3 to be found. The one to ship is
# built by cmake/fetch_onednn.sh; any other will do for trying things out.
set(HADAL_ONEDNN AUTO CACHE STRING "Build the oneDNN backend module: ON, OFF or AUTO (if dnnl 3 is found)")
set_property(CACHE HADAL_ONEDNN PROPERTY STRINGS ON OFF AUTO)
set(HADAL_HAS_ONEDNN OFF)
if(NOT HADAL_ONEDNN)
  return()
endif()
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$" OR HADAL_SANITIZE STREQUAL "thread")
  set(why "for 64-bit x86 without the thread sanitizer")  # oneDNN's code would have to be under it
else()
  find_package(dnnl 3 CONFIG QUIET)
  if(dnnl_FOUND)
    set(HADAL_HAS_ONEDNN ON)
  else()
    set(why "oneDNN 3 was not found; sh cmake/fetch_onednn.sh builds it, -DCMAKE_PREFIX_PATH=build/onednn-static finds it")
  endif()
endif()
if(NOT HADAL_HAS_ONEDNN)
  if(NOT HADAL_ONEDNN STREQUAL "AUTO")
    message(FATAL_ERROR "HADAL_ONEDNN: ${why}")
  endif()
  message(STATUS "Without the backend onednn: ${why}")
  return()
endif()
message(STATUS "The backend onednn: oneDNN ${dnnl_VERSION}, ${DNNL_CPU_RUNTIME}, ${dnnl_DIR}")

file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/backends/onednn/*.cpp)
add_library(hadal_onednn MODULE ${sources} ${HADAL_BUILD_ID}
  $<TARGET_OBJECTS:hadal_cpu> $<TARGET_OBJECTS:hadal_reference> $<TARGET_OBJECTS:hadal_tensor>
  $<TARGET_OBJECTS:hadal_base>)
set(map ${PROJECT_SOURCE_DIR}/backends/onednn/module.map)
set_target_properties(hadal_onednn PROPERTIES LINK_DEPENDS ${map}
  LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
target_include_directories(hadal_onednn PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
target_include_directories(hadal_onednn BEFORE PRIVATE ${PROJECT_SOURCE_DIR}/lib/base/no_iostream)
target_compile_definitions(hadal_onednn PRIVATE HADAL_CPU_X86)
target_link_libraries(hadal_onednn PRIVATE hadal_abseil hadal_warnings Threads::Threads DNNL::dnnl)
target_link_options(hadal_onednn PRIVATE -Wl,--version-script=${map} ${HADAL_LINK_OPTIONS})
if(NOT DNNL_CPU_RUNTIME STREQUAL "THREADPOOL")
  # OpenMP's threads would still be in it when it goes.
  target_link_options(hadal_onednn PRIVATE -Wl,-z,nodelete)
endif()
install(TARGETS hadal_onednn LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
