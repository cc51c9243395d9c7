# Every example tells a story with the model that ships.
if(TARGET example_hello)
  set(HADAL_STORY ${PROJECT_SOURCE_DIR}/examples/models/story-q8_0.gguf)
  set(says_words sh ${CMAKE_CURRENT_SOURCE_DIR}/examples/says_words.sh)
  set(prompt "Once upon a time")
  add_test(NAME example_hello COMMAND ${says_words} $<TARGET_FILE:example_hello> ${HADAL_STORY}
           ${prompt})
  add_test(NAME example_hello_cpp COMMAND ${says_words} $<TARGET_FILE:example_hello_cpp>
           ${HADAL_STORY} ${prompt})
  add_test(NAME example_frame_loop COMMAND ${says_words} $<TARGET_FILE:example_frame_loop>
           ${HADAL_STORY} ${prompt} 20)
  if(NOT HADAL_SANITIZE)  # Python would have to preload the sanitizer's runtime
    add_test(NAME example_hello_py COMMAND ${says_words} ${Python3_EXECUTABLE}
             ${PROJECT_SOURCE_DIR}/examples/hello.py $<TARGET_FILE:hadal> ${HADAL_STORY} ${prompt})
  endif()
endif()
