/* What a host does with files besides running them: an MTP layer from a file of its own, a look at
 * files that cannot run, and checks. Usage: files_test TOY, the toy of V3's shape in a folder with
 * its other forms. */
#include "support.h"

/* A path beside the toy's. */
static const char* beside(const char* toy, const char* name) {
  static char path[4096];
  const char* slash = strrchr(toy, '/');
  const size_t folder = slash ? (size_t)(slash - toy) + 1 : 0;
  EXPECT(folder + strlen(name) < sizeof path);
  memcpy(path, toy, folder);
  strcpy(path + folder, name);
  return path;
}

static hadal_config* config_mtp(const char* path) {
  hadal_config* config = NULL;
  MUST(hadal_config_create(&config, error));
  MUST(hadal_config_set_str(config, HADAL_OPT_MTP_PATH, path, strlen(path), error));
  return config;
}

static void test_mtp_path(hadal_runtime* runtime, const char* toy) {
  hadal_memory_plan alone = {.struct_size = sizeof alone}, with = {.struct_size = sizeof with};
  hadal_config* config = config_mtp(beside(toy, "v3-mtp-only-bf16.gguf"));
  MUST(hadal_model_plan(runtime, toy, strlen(toy), NULL, &alone, error));
  MUST(hadal_model_plan(runtime, toy, strlen(toy), config, &with, error));
  EXPECT(with.mapped > alone.mapped && with.host_minimum > alone.host_minimum);
  hadal_model* model = load_model(runtime, toy, config);
  const char* shape = hadal_model_metadata(model, "hadal.config", 12);
  EXPECT(shape && strstr(shape, "\"num_nextn_predict_layers\":1"));
  const char* tensors = hadal_model_metadata(model, "hadal.tensors", 13);
  EXPECT(tensors && strstr(tensors, "nextn.eh_proj.weight"));
  hadal_model_free(model);
  hadal_config_free(config);

  /* A file without the layer, and one that has its own already. */
  config = config_mtp(toy);
  FAILS(HADAL_E_UNSUPPORTED, hadal_model_plan(runtime, toy, strlen(toy), config, &with, error));
  const char* whole = beside(toy, "v3-mtp-f32.gguf");
  FAILS(HADAL_E_UNSUPPORTED, hadal_model_plan(runtime, whole, strlen(whole), config, &with, error));
  hadal_request* load = NULL;
  MUST(hadal_model_load(runtime, toy, strlen(toy), config, &load, error));
  EXPECT(run_to_end(load) == HADAL_E_UNSUPPORTED);
  hadal_request_free(load);
  hadal_config_free(config);
}

static void test_headers_only(hadal_runtime* runtime, const char* toy) {
  hadal_config* config = config_i64(HADAL_OPT_HEADERS_ONLY, 1);
  hadal_memory_plan plan = {.struct_size = sizeof plan};
  hadal_session* session = NULL;
  hadal_tokenizer* tokenizer = NULL;

  /* A whole model: tokenizer and metadata are there, weights are not. */
  hadal_model* model = load_model(runtime, toy, config);
  const char* missing = hadal_model_metadata(model, "hadal.missing_files", 19);
  const char* files = hadal_model_metadata(model, "hadal.files", 11);
  EXPECT(missing && strcmp(missing, "[]") == 0);
  EXPECT(files && strstr(files, "v3-f32.gguf") && strstr(files, "\"bytes\":"));
  EXPECT(hadal_model_metadata(model, "hadal.config", 12) != NULL);
  EXPECT(hadal_model_metadata(model, "hadal.backend", 13) != NULL);
  MUST(hadal_model_tokenizer(model, &tokenizer, error));
  hadal_tokenizer_free(tokenizer);
  FAILS(HADAL_E_INVALID_ARGUMENT, hadal_session_create(model, NULL, &session, error));
  hadal_model_free(model);
  MUST(hadal_model_plan(runtime, toy, strlen(toy), config, &plan, error));
  EXPECT(plan.mapped > 0); /* of running it */

  /* An MTP layer alone. */
  const char* alone = beside(toy, "v3-mtp-only-bf16.gguf");
  FAILS(HADAL_E_UNSUPPORTED, hadal_model_plan(runtime, alone, strlen(alone), NULL, &plan, error));
  model = load_model(runtime, alone, config);
  const char* shape = hadal_model_metadata(model, "hadal.config", 12);
  const char* tensors = hadal_model_metadata(model, "hadal.tensors", 13);
  EXPECT(shape && strstr(shape, "\"num_nextn_predict_layers\":1"));
  EXPECT(tensors && strstr(tensors, "nextn.eh_proj.weight") && !strstr(tensors, "blk.0."));
  MUST(hadal_model_tokenizer(model, &tokenizer, error));
  hadal_tokenizer_free(tokenizer);
  FAILS(HADAL_E_INVALID_ARGUMENT, hadal_session_create(model, NULL, &session, error));
  hadal_model_free(model);
  hadal_config_free(config);

  /* Beside its trunk, in whose shape it then counts. */
  config = config_mtp(alone);
  MUST(hadal_config_set_i64(config, HADAL_OPT_HEADERS_ONLY, 1, error));
  model = load_model(runtime, toy, config);
  shape = hadal_model_metadata(model, "hadal.config", 12);
  files = hadal_model_metadata(model, "hadal.files", 11);
  EXPECT(shape && strstr(shape, "\"num_nextn_predict_layers\":1"));
  EXPECT(files && strstr(files, "v3-mtp-only-bf16.gguf"));
  hadal_model_free(model);
  hadal_config_free(config);
}

/* Counts findings that hold all the words; every event is one JSON object on a line of its own. */
static size_t findings(hadal_runtime* runtime, const char* path, const hadal_config* config,
                       const char* level, const char* words) {
  hadal_request* request = NULL;
  hadal_model* model = NULL;
  hadal_event event = {.struct_size = sizeof event};
  hadal_status status;
  size_t n = 0;
  double progress = 0;
  MUST(hadal_model_verify(runtime, path, strlen(path), config, &request, error));
  while ((status = hadal_request_wait(request, UINT64_MAX, NULL)) == HADAL_EVENT) {
    if (hadal_request_poll(request, &event, NULL) != HADAL_EVENT) continue;
    if (event.kind == HADAL_EVENT_PROGRESS) {
      EXPECT(event.progress >= progress && event.progress <= 1.0);
      progress = event.progress;
      continue;
    }
    EXPECT(event.kind == HADAL_EVENT_TEXT && event.text[0] == '{');
    EXPECT(event.text[event.text_size - 1] == '}' && strlen(event.text) == event.text_size);
    if (strstr(event.text, level) && strstr(event.text, words)) ++n;
  }
  EXPECT(status == HADAL_DONE && progress == 1.0);
  FAILS(HADAL_E_INVALID_ARGUMENT, hadal_request_take_model(request, &model, error));
  hadal_request_free(request);
  return n;
}

static void test_verify(hadal_runtime* runtime, const char* toy) {
  EXPECT(findings(runtime, toy, NULL, "\"level\":\"ok\"", "\"self_test\"") == 1);
  EXPECT(findings(runtime, toy, NULL, "\"level\":\"error\"", "") == 0);
  EXPECT(findings(runtime, "no/such.gguf", NULL, "\"level\":\"error\"", "no/such.gguf") == 1);
  hadal_config* config = config_mtp(beside(toy, "v3-mtp-only-bf16.gguf"));
  EXPECT(findings(runtime, toy, config, "\"level\":\"ok\"", "MTP layer guesses") == 1);
  hadal_config_free(config);
  config = config_mtp(toy);
  EXPECT(findings(runtime, toy, config, "\"level\":\"error\"", "\"mtp\"") == 1);
  hadal_config_free(config);

  /* Cancelled like any other request; a config of another scope is refused at once. */
  hadal_request* request = NULL;
  MUST(hadal_model_verify(runtime, toy, strlen(toy), NULL, &request, error));
  hadal_request_cancel(request);
  EXPECT(run_to_end(request) == HADAL_E_CANCELLED);
  hadal_request_free(request);
  config = config_i64(HADAL_OPT_CONTEXT, 16);
  FAILS(HADAL_E_UNKNOWN_OPTION,
        hadal_model_verify(runtime, toy, strlen(toy), config, &request, error));
  hadal_config_free(config);
}

int main(int argc, char** argv) {
  hadal_runtime* runtime = NULL;
  if (argc < 2) return 2;
  MUST(hadal_runtime_create(NULL, &runtime, error));
  test_mtp_path(runtime, argv[1]);
  test_headers_only(runtime, argv[1]);
  test_verify(runtime, argv[1]);
  hadal_runtime_free(runtime);
  return test_result();
}
