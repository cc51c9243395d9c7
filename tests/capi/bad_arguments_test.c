/* Makes one good and one freed object of every kind and hands them to the generated tests. Usage:
 * bad_arguments_test MODEL */
#include "bad_arguments.h"

const int32_t some_tokens[3] = {5, 6, 7};
const float some_logits[3] = {0.5f, 0.25f, 1.0f};
hadal_option_desc empty_option_desc;
hadal_memory_plan empty_memory_plan;
hadal_op_profile empty_op_profile;
hadal_convert_sizes empty_convert_sizes;
hadal_event empty_event;
hadal_stats empty_stats;
const hadal_allocator empty_allocator;
const hadal_executor empty_executor;
const hadal_io empty_io;
const hadal_log_sink empty_log_sink;

static void* some_allocate(void* user_data, size_t size, size_t align, int32_t tag) {
  (void)user_data, (void)tag;
  return aligned_alloc(align, (size + align - 1) / align * align);
}
static void some_release(void* user_data, void* ptr, size_t size, size_t align, int32_t tag) {
  (void)user_data, (void)size, (void)align, (void)tag;
  free(ptr);
}
const hadal_allocator some_allocator = {
    .struct_size = sizeof some_allocator, .allocate = some_allocate, .release = some_release};

static int32_t one_thread(void* user_data) { return (void)user_data, 1; }
static void in_turn(void* user_data, size_t n, void (*task)(void* arg, size_t i), void* arg) {
  (void)user_data;
  for (size_t i = 0; i < n; ++i) task(arg, i);
}
const hadal_executor some_executor = {
    .struct_size = sizeof some_executor, .thread_count = one_thread, .parallel_for = in_turn};

static int32_t no_file(void* user_data, const char* path, size_t path_size, int32_t mode,
                       void** file) {
  (void)user_data, (void)path, (void)path_size, (void)mode, (void)file;
  return HADAL_E_NOT_FOUND;
}
static int32_t no_size(void* user_data, void* file, uint64_t* bytes) {
  (void)user_data, (void)file, (void)bytes;
  return HADAL_E_IO;
}
static int32_t no_read(void* user_data, void* file, uint64_t at, void* to, size_t n, size_t* done) {
  (void)user_data, (void)file, (void)at, (void)to, (void)n, (void)done;
  return HADAL_E_IO;
}
static void no_close(void* user_data, void* file) { (void)user_data, (void)file; }
const hadal_io some_io = {.struct_size = sizeof some_io,
                          .open = no_file,
                          .size = no_size,
                          .read_at = no_read,
                          .close = no_close};

static void no_write(void* user_data, int32_t level, const char* category, const char* text,
                     size_t text_size) {
  (void)user_data, (void)level, (void)category, (void)text, (void)text_size;
}
const hadal_log_sink some_log_sink = {
    .struct_size = sizeof some_log_sink, .level = HADAL_LOG_ERROR, .write = no_write};

int32_t some_fn(void* user_data, const hadal_event* event) {
  (void)user_data, (void)event;
  return HADAL_CONTINUE;
}

enum { kMark = 0x5a };

void fill(void* output, size_t size) { memset(output, kMark, size); }

int is_filled(const void* output, size_t size, size_t after) {
  const unsigned char* bytes = output;
  for (size_t i = after; i < size; ++i) {
    if (bytes[i] != kMark) return 0;
  }
  return 1;
}

/* A second object of every kind, freed again: last, so that no address is used anew. */
static void make_freed(struct objects* at) {
  hadal_request* unstarted = NULL;
  MUST(hadal_runtime_create(NULL, &at->freed_runtime, error));
  MUST(hadal_config_create(&at->freed_config, error));
  MUST(hadal_request_take_model(at->load, &at->freed_model, error));
  MUST(hadal_model_tokenizer(at->model, &at->freed_tokenizer, error));
  MUST(hadal_sampler_create(at->runtime, NULL, &at->freed_sampler, error));
  at->freed_session = new_session(at->model, "Once");
  MUST(hadal_session_prefill(at->freed_session, NULL, &unstarted, error));
  at->freed_request = unstarted;
  hadal_request_free(at->freed_request);
  hadal_session_free(at->freed_session);
  hadal_sampler_free(at->freed_sampler);
  hadal_tokenizer_free(at->freed_tokenizer);
  hadal_model_free(at->freed_model);
  hadal_config_free(at->freed_config);
  hadal_runtime_free(at->freed_runtime);
}

int main(int argc, char** argv) {
  struct objects at = {0};
  struct walk walk;
  hadal_config *logprobs = NULL, *profile = NULL, *keep = NULL;
  hadal_session* answered = NULL;
  if (argc != 2) return 2;
  at.path = argv[1];
  walk_begin(&walk, argv[1], 0, 1);
  hadal_model_free(walk.model);
  profile = config_i64(HADAL_OPT_PROFILE, 1); /* so that there is a line that could be written */
  walk.model = load_model(walk.runtime, at.path, profile);
  hadal_config_free(profile);
  at.runtime = walk.runtime;
  at.model = walk.model;
  at.tokenizer = walk.tokenizer;
  at.sampler = walk.sampler;
  MUST(hadal_config_create(&at.config, error));
  MUST(hadal_model_load(at.runtime, at.path, strlen(at.path), NULL, &at.load, error));
  EXPECT(run_to_end(at.load) == HADAL_DONE);
  at.session = new_session(at.model, "Once upon a time");
  keep = config_i64(HADAL_OPT_KEEP_LOGITS, 1);
  MUST(hadal_session_prefill(at.session, keep, &at.prefill, error));
  EXPECT(run_to_end(at.prefill) == HADAL_DONE);
  hadal_config_free(keep);
  answered = new_session(at.model, "Once upon a time");
  logprobs = config_i64(HADAL_OPT_LOGPROBS, 2);
  MUST(hadal_config_set_i64(logprobs, HADAL_OPT_MAX_TOKENS, 2, error));
  MUST(hadal_session_generate(answered, at.sampler, logprobs, &at.request, error));
  EXPECT(run_to_end(at.request) == HADAL_DONE);
  at.position = hadal_session_length(answered) - 1;
  hadal_config_free(logprobs);
  hadal_option_find("none", 4, NULL, &at.error);
  make_freed(&at);

  try_bad_arguments(&at);

  hadal_error_free(at.error);
  hadal_request_free(at.request);
  hadal_request_free(at.load);
  hadal_request_free(at.prefill);
  hadal_session_free(answered);
  hadal_session_free(at.session);
  hadal_config_free(at.config);
  walk_end(&walk);
  return test_result();
}
