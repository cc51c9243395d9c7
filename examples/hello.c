/* Loads a model and writes what follows a prompt. Usage: hello MODEL PROMPT */
#include <hadal/hadal.h>
#include <stdio.h>
#include <string.h>

/* Moves a request to its end and shows the text it brings on the way. */
static hadal_status run(hadal_request* request, hadal_error** error) {
  hadal_event event = {.struct_size = sizeof event};
  hadal_status status;
  while ((status = hadal_request_wait(request, UINT64_MAX, error)) == HADAL_EVENT)
    if (hadal_request_poll(request, &event, NULL) == HADAL_EVENT && event.kind == HADAL_EVENT_TEXT)
      fwrite(event.text, 1, event.text_size, stdout), fflush(stdout);
  return status;
}

int main(int argc, char** argv) {
  hadal_runtime* runtime = NULL;
  hadal_request *load = NULL, *answer = NULL;
  hadal_model* model = NULL;
  hadal_session* session = NULL;
  hadal_sampler* sampler = NULL;
  hadal_error* error = NULL;
  if (argc != 3) return fprintf(stderr, "usage: %s MODEL PROMPT\n", argv[0]), 2;

  /* Each step needs the one before; the first failure leaves its reason in error. */
  if (hadal_runtime_create(NULL, &runtime, &error) == HADAL_OK &&
      hadal_model_load(runtime, argv[1], strlen(argv[1]), NULL, &load, &error) == HADAL_OK &&
      run(load, &error) == HADAL_DONE &&
      hadal_request_take_model(load, &model, &error) == HADAL_OK &&
      hadal_session_create(model, NULL, &session, &error) == HADAL_OK &&
      hadal_session_append_text(session, argv[2], strlen(argv[2]), HADAL_TEXT_BOS, &error) == 0 &&
      hadal_sampler_create(runtime, NULL, &sampler, &error) == HADAL_OK &&
      hadal_session_generate(session, sampler, NULL, &answer, &error) == HADAL_OK)
    run(answer, &error);
  const int failed = error != NULL;
  if (failed) fprintf(stderr, "%s\n%s\n", hadal_error_message(error), hadal_error_hint(error));

  hadal_error_free(error); /* in any order, and NULL is welcome */
  hadal_request_free(answer), hadal_request_free(load);
  hadal_sampler_free(sampler), hadal_session_free(session);
  hadal_model_free(model), hadal_runtime_free(runtime);
  return failed;
}
