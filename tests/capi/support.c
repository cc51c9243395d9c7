/* See support.h. */
#include "support.h"

static int failures;

void expect(int fact, const char* text, const char* file, int line) {
  if (fact) return;
  ++failures;
  fprintf(stderr, "%s:%d: not so: %s\n", file, line, text);
}

void must(hadal_status status, hadal_error* error, const char* text, const char* file, int line) {
  if (status >= 0 && error == NULL) return;
  ++failures;
  fprintf(stderr, "%s:%d: %s: %s: %s (%s)\n", file, line, text, hadal_status_name(status),
          hadal_error_message(error), hadal_error_hint(error));
  hadal_error_free(error);
}

void fails(hadal_status wanted, hadal_status found, hadal_error* error, hadal_status again,
           const char* text, const char* file, int line) {
  const int right = found < 0 && again == found && (wanted == ANY_ERROR || found == wanted) &&
                    hadal_error_code(error) == found && hadal_error_message(error)[0] != '\0' &&
                    hadal_error_hint(error) != NULL;
  if (!right) {
    ++failures;
    fprintf(stderr, "%s:%d: %s: wanted %s, found %s (again %s): '%s' '%s'\n", file, line, text,
            wanted == ANY_ERROR ? "an error" : hadal_status_name(wanted), hadal_status_name(found),
            hadal_status_name(again), hadal_error_message(error), hadal_error_hint(error));
  }
  hadal_error_free(error);
}

int test_result(void) {
  if (failures) fprintf(stderr, "%d failures\n", failures);
  return failures != 0;
}

hadal_config* config_i64(int32_t key, int64_t value) {
  hadal_config* config = NULL;
  MUST(hadal_config_create(&config, error));
  MUST(hadal_config_set_i64(config, key, value, error));
  return config;
}

hadal_status run_to_end(hadal_request* request) {
  hadal_event event = {.struct_size = sizeof event};
  hadal_status status;
  while ((status = hadal_request_wait(request, UINT64_MAX, NULL)) == HADAL_EVENT) {
    hadal_request_poll(request, &event, NULL);
  }
  return status;
}

hadal_model* load_model(hadal_runtime* runtime, const char* path, const hadal_config* config) {
  hadal_request* load = NULL;
  hadal_model* model = NULL;
  MUST(hadal_model_load(runtime, path, strlen(path), config, &load, error));
  EXPECT(run_to_end(load) == HADAL_DONE);
  MUST(hadal_request_take_model(load, &model, error));
  hadal_request_free(load);
  return model;
}

void walk_begin(struct walk* walk, const char* path, int64_t threads, int64_t determinism) {
  hadal_config* config = config_i64(HADAL_OPT_THREADS, threads);
  MUST(hadal_config_set_i64(config, HADAL_OPT_DETERMINISM, determinism, error));
  hadal_config* greedy = NULL;
  memset(walk, 0, sizeof *walk);
  MUST(hadal_runtime_create(config, &walk->runtime, error));
  hadal_config_free(config);
  walk->model = load_model(walk->runtime, path, NULL);
  MUST(hadal_model_tokenizer(walk->model, &walk->tokenizer, error));
  MUST(hadal_config_create(&greedy, error));
  MUST(hadal_config_set_f64(greedy, HADAL_OPT_TEMPERATURE, 0, error));
  MUST(hadal_sampler_create(walk->runtime, greedy, &walk->sampler, error));
  hadal_config_free(greedy);
}

void walk_end(struct walk* walk) {
  hadal_sampler_free(walk->sampler);
  hadal_tokenizer_free(walk->tokenizer);
  hadal_model_free(walk->model);
  hadal_runtime_free(walk->runtime);
  memset(walk, 0, sizeof *walk);
}

hadal_session* new_session(hadal_model* model, const char* text) {
  hadal_session* session = NULL;
  MUST(hadal_session_create(model, NULL, &session, error));
  MUST(hadal_session_append_text(session, text, strlen(text), HADAL_TEXT_BOS, error));
  return session;
}

hadal_request* start_generate(hadal_session* session, const hadal_sampler* sampler,
                              int64_t max_tokens) {
  hadal_config* config = config_i64(HADAL_OPT_MAX_TOKENS, max_tokens);
  hadal_request* request = NULL;
  MUST(hadal_session_generate(session, sampler, config, &request, error));
  hadal_config_free(config);
  return request;
}

size_t generate_tokens(hadal_session* session, const hadal_sampler* sampler, int64_t n,
                       int32_t* tokens) {
  hadal_request* request = start_generate(session, sampler, n);
  hadal_event event = {.struct_size = sizeof event};
  size_t found = 0;
  while (hadal_request_wait(request, UINT64_MAX, NULL) == HADAL_EVENT) {
    if (hadal_request_poll(request, &event, NULL) == HADAL_EVENT &&
        event.kind == HADAL_EVENT_TOKEN) {
      tokens[found++] = event.token;
    }
  }
  hadal_request_free(request);
  return found;
}
