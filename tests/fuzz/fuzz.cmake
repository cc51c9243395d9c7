# Every <name>_fuzz.cpp defines LLVMFuzzerTestOneInput. Linked with replay_main.cpp it is a ctest
# that runs the files of corpus/<name>; with HADAL_FUZZ=ON and clang it is a libFuzzer program too:
#   fuzz/gguf_fuzz -max_len=65536 -timeout=5 -rss_limit_mb=1024 -use_value_profile=1
#     -dict=tests/fuzz/hadal.dict FRESH_FOLDER tests/fuzz/corpus/gguf
# Only what is compiled with HADAL_FUZZ=ON tells libFuzzer where it has been, the rooms included:
# give such a build a folder of its own.
file(GLOB HADAL_FUZZ_TARGETS CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*_fuzz.cpp)
set(HADAL_FUZZ_ROOMS text checkpoint tensor base)
set(HADAL_FUZZ_HELPERS ${CMAKE_CURRENT_SOURCE_DIR}/checkpoint/gguf_validator.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/checkpoint/gguf_writer.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/checkpoint/memory_files.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/checkpoint/safetensors_writer.cpp)

if(HADAL_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "HADAL_FUZZ needs clang")
  endif()
  set(HADAL_FUZZ_FLAGS -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
      -fno-omit-frame-pointer)
  foreach(room IN LISTS HADAL_FUZZ_ROOMS)
    target_compile_options(hadal_${room} PRIVATE ${HADAL_FUZZ_FLAGS})
  endforeach()
endif()

set(HADAL_FUZZ_OBJECTS)
foreach(room IN LISTS HADAL_FUZZ_ROOMS)
  list(APPEND HADAL_FUZZ_OBJECTS $<TARGET_OBJECTS:hadal_${room}>)
endforeach()

function(hadal_fuzz_program program)
  add_executable(${program} ${ARGN} ${HADAL_FUZZ_HELPERS} ${HADAL_FUZZ_OBJECTS})
  target_include_directories(${program} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
  target_compile_definitions(${program} PRIVATE HADAL_STATIC)
  target_link_libraries(${program} PRIVATE hadal_abseil hadal_warnings Threads::Threads
                        nlohmann_json::nlohmann_json)
endfunction()

foreach(source IN LISTS HADAL_FUZZ_TARGETS)
  get_filename_component(program ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${program})
  if(HADAL_FUZZ)
    hadal_fuzz_program(${program} ${source})
    target_compile_options(${program} PRIVATE ${HADAL_FUZZ_FLAGS})
    target_link_options(${program} PRIVATE -fsanitize=fuzzer,address,undefined)
    set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  else()
    hadal_fuzz_program(${name}_replay ${source} ${CMAKE_CURRENT_LIST_DIR}/replay_main.cpp)
    add_test(NAME fuzz_${name}
             COMMAND ${name}_replay ${CMAKE_CURRENT_LIST_DIR}/corpus/${name})
  endif()
endforeach()
