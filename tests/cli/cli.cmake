# The command-line program, as a person and as a script use it. Needs Python 3 and the model that
# the repository ships.
if(HADAL_CLI AND TARGET hadal_cli)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  add_test(NAME cli COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/cli/cli_test.py
    $<TARGET_FILE:hadal_cli> ${PROJECT_SOURCE_DIR}/examples/models/story-q8_0.gguf)
  add_test(NAME cli_convert
    COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/cli/convert_test.py
    $<TARGET_FILE:hadal_cli> ${PROJECT_SOURCE_DIR}/examples/models/story-q8_0.gguf
    ${CMAKE_CURRENT_SOURCE_DIR}/golden/toys)
endif()
