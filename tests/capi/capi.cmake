# The tests of the interface itself. They link the shared library and include include/hadal, as a
# user does; the models are the toy of V3's shape and, where words matter, the story model.
set(HADAL_TOY ${PROJECT_SOURCE_DIR}/tests/golden/toys/v3/v3-f32.gguf)

# hadal_capi_test(NAME FILE...) makes a program of files in tests/capi and runs it on the toy.
function(hadal_capi_test name)
  list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/capi/)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE hadal::hadal hadal_warnings Threads::Threads m)
  target_compile_definitions(${name} PRIVATE
    $<$<BOOL:${HADAL_CHECKED_HANDLES}>:HADAL_CHECKED_HANDLES>)
  add_test(NAME ${name} COMMAND ${name} ${HADAL_TOY})
endfunction()

hadal_capi_test(capi_test capi_test.c support.c)
add_test(NAME capi_story_test
         COMMAND capi_test ${PROJECT_SOURCE_DIR}/examples/models/story-q8_0.gguf words)
hadal_capi_test(capi_files_test files_test.c support.c)
hadal_capi_test(capi_options_test options_test.c support.c)
hadal_capi_test(capi_host_test host_test.c support.c)
hadal_capi_test(capi_convert_test convert_test.c support.c)
hadal_capi_test(capi_lifetime_test lifetime_test.c support.c)
hadal_capi_test(capi_bad_arguments_test bad_arguments.c bad_arguments_test.c support.c)
hadal_capi_test(capi_layout_c_test layout_test.c)
hadal_capi_test(capi_layout_cpp_test layout_test.cpp)
hadal_capi_test(capi_no_memory_test no_memory_test.cpp)
add_test(NAME capi_no_memory_directory_test
         COMMAND capi_no_memory_test ${PROJECT_SOURCE_DIR}/tests/golden/toys/v31-fp8)
hadal_capi_test(hadal_hpp_test hadal_hpp_test.cpp)
hadal_capi_test(hadal_hpp_results_test hadal_hpp_test.cpp)
target_compile_options(hadal_hpp_results_test PRIVATE -fno-exceptions)
set_target_properties(hadal_hpp_test hadal_hpp_results_test capi_layout_cpp_test PROPERTIES
  CXX_STANDARD 17)

# A sanitizer's runtime stays in the process and has threads of its own; so it is not asked to leave.
if(NOT HADAL_SANITIZE)
  add_executable(capi_unload_test capi/unload_test.c)
  target_include_directories(capi_unload_test PRIVATE ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(capi_unload_test PRIVATE hadal_warnings Threads::Threads ${CMAKE_DL_LIBS})
  target_compile_options(capi_unload_test PRIVATE -Wno-pedantic)  # dlsym, __typeof__
  add_dependencies(capi_unload_test hadal)
  add_test(NAME capi_unload_test
           COMMAND capi_unload_test $<TARGET_FILE:hadal> ${HADAL_TOY} 100)
  if(HADAL_HAS_ONEDNN AND DNNL_CPU_RUNTIME STREQUAL "THREADPOOL")
    add_dependencies(capi_unload_test hadal_onednn)
    add_test(NAME capi_unload_onednn_test COMMAND capi_unload_test $<TARGET_FILE:hadal>
             ${PROJECT_SOURCE_DIR}/tests/golden/toys/v3/v3-bf16.gguf 20 onednn)
    set_tests_properties(capi_unload_onednn_test PROPERTIES SKIP_RETURN_CODE 77)
  endif()
endif()

add_test(NAME capi_header_matrix COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/capi/header_matrix.sh
         ${PROJECT_SOURCE_DIR}/include)
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
add_test(NAME capi_abi COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/capi/abi.py --check
         --library $<TARGET_FILE:hadal>)
add_test(NAME capi_abi_rules COMMAND ${Python3_EXECUTABLE}
         ${CMAKE_CURRENT_SOURCE_DIR}/capi/abi_test.py ${PROJECT_SOURCE_DIR})

# What the thread sanitizer is asked about (test.sh tsan).
add_custom_target(thread_tests DEPENDS session_test capi_test capi_host_test capi_lifetime_test
                  capi_convert_test
                  hadal_hpp_test hadal_hpp_results_test)
