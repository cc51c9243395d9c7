# What module_test.cpp finds where it looks for a module.
foreach(name foreign none)
  add_library(test_module_${name} MODULE ${CMAKE_CURRENT_SOURCE_DIR}/backends/modules/${name}.cpp)
  target_include_directories(test_module_${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
  set_target_properties(test_module_${name} PROPERTIES CXX_VISIBILITY_PRESET default)
  target_link_libraries(test_module_${name} PRIVATE hadal_abseil hadal_warnings)
  add_dependencies(backends_test test_module_${name})
endforeach()
set(definitions HADAL_TEST_FOREIGN_MODULE="$<TARGET_FILE:test_module_foreign>"
                HADAL_TEST_NO_MODULE="$<TARGET_FILE:test_module_none>")
# With another runtime, or under a sanitizer, something of a module stays behind.
if(NOT HADAL_SANITIZE AND DNNL_CPU_RUNTIME STREQUAL "THREADPOOL")
  list(APPEND definitions HADAL_TEST_MODULES_LEAVE)
endif()
set_source_files_properties(backends/module_test.cpp PROPERTIES COMPILE_DEFINITIONS "${definitions}")
