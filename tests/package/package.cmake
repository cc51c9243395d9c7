# The library as a guest in somebody else's process: what it needs, imports and runs at start-up;
# and the installed package as another project finds it.
if(NOT HADAL_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/objects.txt
       CONTENT "$<JOIN:$<JOIN:${HADAL_OBJECTS},;>,\n>\n")
  set(release)
  if(HADAL_ABSEIL_SOURCE)
    set(release --release)
  endif()
  add_test(NAME package_library
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/package/check_library.py
            --library $<TARGET_FILE:hadal> --objects ${CMAKE_CURRENT_BINARY_DIR}/objects.txt
            ${release})
  if(HADAL_HAS_ONEDNN AND DNNL_CPU_RUNTIME STREQUAL "THREADPOOL")
    add_test(NAME package_module
      COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/package/check_module.py
              --module $<TARGET_FILE:hadal_onednn> ${release})
  endif()
  add_test(NAME package_consumer
    COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/package/consumer_test.sh ${PROJECT_BINARY_DIR}
            ${PROJECT_SOURCE_DIR} ${CMAKE_INSTALL_LIBDIR})
endif()

# What is built for the tests of the package and of the interface (test.sh release): the library, all
# that gets installed, and the programs over hadal.h.
get_property(package_tests DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
list(FILTER package_tests INCLUDE REGEX "^(capi|hadal_hpp)")
get_property(folders DIRECTORY ${PROJECT_SOURCE_DIR} PROPERTY SUBDIRECTORIES)
list(FILTER folders INCLUDE REGEX "/examples")
foreach(folder IN LISTS folders)
  get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  list(APPEND package_tests ${targets})
endforeach()
add_custom_target(package_tests DEPENDS hadal ${package_tests})
if(HADAL_HAS_ONEDNN)
  add_dependencies(package_tests hadal_onednn)
endif()
