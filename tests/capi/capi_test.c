/* A walk through the whole C interface, as a user takes it: caller-only, then with two threads.
 * Usage: capi_test MODEL [words]; "words" if the model answers in plain ASCII, so that its text can
 * be compared with the bytes of its tokens. */
#include <math.h>

#include "support.h"

enum { kMaxTokens = 64 };
static const char kPrompt[] = "Once upon a time";

static void test_library(void) {
  EXPECT(hadal_abi_version() == HADAL_ABI_VERSION);
  EXPECT(hadal_build_info()[0] == '{' && strstr(hadal_build_info(), HADAL_VERSION_STRING));
  EXPECT(strcmp(hadal_status_name(HADAL_OK), "OK") == 0);
  EXPECT(strcmp(hadal_status_name(HADAL_E_FORMAT), "E_FORMAT") == 0);
  EXPECT(strcmp(hadal_status_name(-1000), "E_?") == 0);
  for (hadal_status status = HADAL_E_INTERNAL; status <= HADAL_DONE; ++status) {
    EXPECT(strcmp(hadal_status_name(status), "E_?") != 0);
  }
}

/* Events of a load: numbered from 0, progress from 0 to 1 and never back. */
static void test_load_by_steps(hadal_runtime* runtime, const char* path) {
  hadal_request* load = NULL;
  hadal_model *model = NULL, *again = NULL;
  hadal_event event = {.struct_size = sizeof event};
  hadal_status status;
  uint64_t n_events = 0;
  double progress = 0;
  int n_steps = 0;
  MUST(hadal_model_load(runtime, path, strlen(path), NULL, &load, error));
  FAILS(ANY_ERROR, hadal_request_take_model(load, &model, error));
  do {
    status = hadal_request_step(load, 0, NULL);
    ++n_steps;
    while (hadal_request_poll(load, &event, NULL) == HADAL_EVENT) {
      EXPECT(event.kind == HADAL_EVENT_PROGRESS && event.sequence == n_events);
      EXPECT(n_events > 0 || event.progress == 0.0);
      EXPECT(event.progress >= progress && event.progress <= 1.0);
      progress = event.progress;
      ++n_events;
    }
  } while (status == HADAL_PENDING || status == HADAL_EVENT);
  EXPECT(status == HADAL_DONE && progress == 1.0 && n_events >= 2 && n_steps > 1);
  EXPECT(hadal_request_step(load, 0, NULL) == HADAL_DONE);
  EXPECT(hadal_request_poll(load, &event, NULL) == HADAL_DONE);
  EXPECT(hadal_request_wait(load, 0, NULL) == HADAL_DONE);
  MUST(hadal_request_take_model(load, &model, error));
  MUST(hadal_request_take_model(load, &again, error));
  EXPECT(model && again);
  hadal_model_free(again);
  hadal_request_free(load);
  hadal_model_free(model);
}

static void test_plan_and_metadata(const struct walk* walk, const char* path) {
  hadal_memory_plan plan = {.struct_size = sizeof plan};
  MUST(hadal_model_plan(walk->runtime, path, strlen(path), NULL, &plan, error));
  EXPECT(plan.struct_size == sizeof plan);
  EXPECT(plan.mapped > 0 && plan.host_weights < plan.mapped / 100 && plan.host_cache > 0);
  EXPECT(plan.host_minimum > 0 && plan.host_comfortable >= plan.host_minimum);
  hadal_config* read = config_i64(HADAL_OPT_MMAP, 0);
  const uint64_t mapped = plan.mapped;
  MUST(hadal_model_plan(walk->runtime, path, strlen(path), read, &plan, error));
  EXPECT(plan.mapped == 0 && plan.host_weights >= mapped);
  hadal_config_free(read);

  const char* architecture = hadal_model_metadata(walk->model, "general.architecture", 20);
  EXPECT(architecture && strcmp(architecture, "deepseek2") == 0);
  const char* config = hadal_model_metadata(walk->model, "hadal.config", 12);
  EXPECT(config && strstr(config, "\"kv_lora_rank\""));
  EXPECT(hadal_model_metadata(walk->model, "hadal.tensors", 13));
  EXPECT(hadal_model_metadata(walk->model, "hadal.keys", 10));
  EXPECT(hadal_model_metadata(walk->model, "hadal.backend", 13));
  EXPECT(hadal_model_metadata(walk->model, "no.such.key", 11) == NULL);
}

static void test_missing_file(const struct walk* walk) {
  static const char missing[] = "no/such/model.gguf";
  hadal_memory_plan plan = {.struct_size = sizeof plan};
  hadal_request* load = NULL;
  FAILS(HADAL_E_NOT_FOUND,
        hadal_model_plan(walk->runtime, missing, sizeof missing - 1, NULL, &plan, error));
  MUST(hadal_model_load(walk->runtime, missing, sizeof missing - 1, NULL, &load, error));
  EXPECT(run_to_end(load) == HADAL_E_NOT_FOUND);
  hadal_error* why = NULL;
  EXPECT(hadal_request_wait(load, 0, &why) == HADAL_E_NOT_FOUND);
  EXPECT(strstr(hadal_error_message(why), missing) != NULL);
  EXPECT(hadal_error_errno(why) != 0 && hadal_error_hint(why)[0] != '\0');
  hadal_error_free(why);
  hadal_model* model = NULL;
  FAILS(ANY_ERROR, hadal_request_take_model(load, &model, error));
  hadal_request_free(load);
}

/* A backend asked for by name is that one or none; "auto" makes do. */
static void test_missing_module(const struct walk* walk, const char* path) {
  static const char folder[] = "no/such/folder";
  static const char* const names[] = {"onednn", "auto"};
  for (int i = 0; i < 2; ++i) {
    hadal_config* config = NULL;
    hadal_request* load = NULL;
    MUST(hadal_config_create(&config, error));
    MUST(hadal_config_set_str(config, HADAL_OPT_BACKEND, names[i], strlen(names[i]), error));
    MUST(hadal_config_set_str(config, HADAL_OPT_MODULE_PATH, folder, sizeof folder - 1, error));
    MUST(hadal_model_load(walk->runtime, path, strlen(path), config, &load, error));
    EXPECT(run_to_end(load) == (i == 0 ? HADAL_E_NOT_FOUND : HADAL_DONE));
    if (i == 0) {
      hadal_error* why = NULL;
      EXPECT(hadal_request_wait(load, 0, &why) == HADAL_E_NOT_FOUND);
      EXPECT(strstr(hadal_error_message(why), "no/such/folder/libhadal_onednn.so") != NULL);
      EXPECT(strstr(hadal_error_hint(why), "module_path") != NULL);
      hadal_error_free(why);
    }
    hadal_request_free(load);
    hadal_config_free(config);
  }
}

static void test_tokenizer(const struct walk* walk) {
  static const char text[] = "Once upon a time, \xf0\x9f\x98\x80 and \xff\xc3 bytes.\n";
  const size_t size = sizeof text - 1;
  int32_t tokens[kMaxTokens];
  char back[256];
  size_t n_tokens = 0, n_with_bos = 0, back_size = 0;
  MUST(
      hadal_tokenizer_encode(walk->tokenizer, text, size, 0, tokens, kMaxTokens, &n_tokens, error));
  MUST(hadal_tokenizer_decode(walk->tokenizer, tokens, n_tokens, 0, back, sizeof back, &back_size,
                              error));
  EXPECT(back_size == size && memcmp(back, text, size) == 0);
  MUST(hadal_tokenizer_encode(walk->tokenizer, text, size, HADAL_TEXT_BOS, tokens, kMaxTokens,
                              &n_with_bos, error));
  EXPECT(n_with_bos == n_tokens + 1);
  MUST(hadal_tokenizer_encode(walk->tokenizer, "", 0, 0, NULL, 0, &n_tokens, error));
  EXPECT(n_tokens == 0);
  /* More than places can be counted in; refused before a byte is read. */
  FAILS(HADAL_E_LIMIT, hadal_tokenizer_encode(walk->tokenizer, text, (size_t)INT32_MAX + 1, 0,
                                              tokens, kMaxTokens, &n_tokens, error));
  tokens[0] = INT32_MAX;
  FAILS(HADAL_E_OUT_OF_RANGE, hadal_tokenizer_decode(walk->tokenizer, tokens, 1, 0, back,
                                                     sizeof back, &back_size, error));
  tokens[0] = -1;
  FAILS(HADAL_E_OUT_OF_RANGE, hadal_tokenizer_decode(walk->tokenizer, tokens, 1, 0, back,
                                                     sizeof back, &back_size, error));
}

/* Appending computes nothing, prefill does; rewind and fork keep what was computed. same_bits: the
 * last token has the same logits alone as in the prompt, which determinism 2 promises. */
static void test_session(const struct walk* walk, int same_bits) {
  hadal_session *session = new_session(walk->model, kPrompt), *fork = NULL;
  int32_t tokens[kMaxTokens], of_fork[kMaxTokens];
  size_t n_tokens = 0, n_fork = 0, n_logits = 0, n_again = 0;
  const uint64_t length = hadal_session_length(session);
  EXPECT(length > 1 && length < kMaxTokens);
  FAILS(HADAL_E_NOT_FOUND, hadal_session_logits(session, NULL, 0, &n_logits, error));

  hadal_request* prefill = NULL;
  MUST(hadal_session_prefill(session, NULL, &prefill, error));
  EXPECT(run_to_end(prefill) == HADAL_DONE);
  hadal_stats stats = {.struct_size = sizeof stats};
  MUST(hadal_request_stats(prefill, &stats, error));
  EXPECT(stats.prompt_tokens == length && stats.reused_tokens == 0 && stats.prefill_ns > 0);
  hadal_request_free(prefill);

  hadal_session_logits(session, NULL, 0, &n_logits, NULL);
  float* logits = calloc(n_logits, sizeof *logits);
  float* again = calloc(n_logits, sizeof *again);
  MUST(hadal_session_logits(session, logits, n_logits, &n_logits, error));
  EXPECT(n_logits > 300 && isfinite(logits[0]));

  MUST(hadal_session_fork(session, &fork, error));
  MUST(hadal_session_tokens(session, tokens, kMaxTokens, &n_tokens, error));
  MUST(hadal_session_tokens(fork, of_fork, kMaxTokens, &n_fork, error));
  EXPECT(n_tokens == length && n_fork == length);
  EXPECT(memcmp(tokens, of_fork, n_tokens * sizeof *tokens) == 0);

  MUST(hadal_session_rewind(fork, length - 1, error));
  EXPECT(hadal_session_length(fork) == length - 1 && hadal_session_length(session) == length);
  FAILS(HADAL_E_OUT_OF_RANGE, hadal_session_rewind(fork, length, error));
  MUST(hadal_session_append_tokens(fork, tokens + length - 1, 1, error));
  MUST(hadal_session_prefill(fork, NULL, &prefill, error));
  EXPECT(run_to_end(prefill) == HADAL_DONE);
  MUST(hadal_request_stats(prefill, &stats, error));
  EXPECT(stats.prompt_tokens == 1 && stats.reused_tokens == length - 1);
  hadal_request_free(prefill);
  MUST(hadal_session_logits(fork, again, n_logits, &n_again, error));
  EXPECT(!same_bits || memcmp(logits, again, n_logits * sizeof *logits) == 0);

  /* Greedy choice through the sampler is what generate does. */
  int32_t picked = -1, generated = -2;
  MUST(hadal_sampler_pick(walk->sampler, session, logits, n_logits, 0, &picked, error));
  EXPECT(generate_tokens(session, walk->sampler, 1, &generated) == 1);
  EXPECT(picked == generated);
  for (size_t i = 0; i < n_logits; ++i) logits[i] = NAN;
  FAILS(HADAL_E_INVALID_ARGUMENT,
        hadal_sampler_pick(walk->sampler, NULL, logits, n_logits, 0, &picked, error));
  free(logits);
  free(again);
  hadal_session_free(fork);
  hadal_session_free(session);
}

/* A prefill that keeps the logits of every token. same_bits as above. */
static void test_kept_logits(const struct walk* walk, int same_bits) {
  hadal_session* session = new_session(walk->model, kPrompt);
  const uint64_t length = hadal_session_length(session);
  hadal_config* keep = config_i64(HADAL_OPT_KEEP_LOGITS, 1);
  hadal_request *plain = NULL, *keeping = NULL, *load = NULL, *generate = NULL;
  size_t n = 0, n_last = 0;

  FAILS(HADAL_E_INVALID_ARGUMENT,
        hadal_session_generate(session, walk->sampler, keep, &generate, error));
  MUST(hadal_session_prefill(session, keep, &keeping, error));
  FAILS(HADAL_E_NOT_FOUND, hadal_request_logits(keeping, 0, NULL, 0, &n, error));
  EXPECT(run_to_end(keeping) == HADAL_DONE);
  FAILS(HADAL_E_BUFFER_TOO_SMALL, hadal_request_logits(keeping, 0, NULL, 0, &n, error));
  EXPECT(n > 300);
  float* logits = calloc(n, sizeof *logits);
  float* last = calloc(n, sizeof *last);
  MUST(hadal_session_logits(session, last, n, &n_last, error));
  MUST(hadal_request_logits(keeping, length - 1, logits, n, &n, error));
  EXPECT(n == n_last && memcmp(logits, last, n * sizeof *logits) == 0);
  FAILS(HADAL_E_NOT_FOUND, hadal_request_logits(keeping, length, logits, n, &n, error));

  /* One token at a time, each with a session's own logits. */
  hadal_session* steps = NULL;
  int32_t tokens[kMaxTokens];
  size_t n_tokens = 0;
  MUST(hadal_session_tokens(session, tokens, kMaxTokens, &n_tokens, error));
  MUST(hadal_session_create(walk->model, NULL, &steps, error));
  for (size_t i = 0; i < n_tokens; ++i) {
    MUST(hadal_session_append_tokens(steps, tokens + i, 1, error));
    MUST(hadal_session_prefill(steps, NULL, &plain, error));
    EXPECT(run_to_end(plain) == HADAL_DONE);
    if (i == 0) FAILS(HADAL_E_NOT_FOUND, hadal_request_logits(plain, 0, logits, n, &n, error));
    hadal_request_free(plain);
    MUST(hadal_session_logits(steps, last, n, &n_last, error));
    MUST(hadal_request_logits(keeping, i, logits, n, &n, error));
    EXPECT(!same_bits || memcmp(logits, last, n * sizeof *logits) == 0);
    for (size_t c = 0; c < n; c += 97) EXPECT(fabsf(logits[c] - last[c]) < 0.2f);
  }

  MUST(hadal_model_load(walk->runtime, "x", 1, NULL, &load, error));
  FAILS(HADAL_E_INVALID_ARGUMENT, hadal_request_logits(load, 0, logits, n, &n, error));
  hadal_request_free(load);
  hadal_request_free(keeping);
  free(logits);
  free(last);
  hadal_config_free(keep);
  hadal_session_free(steps);
  hadal_session_free(session);
}

static void test_refused_tokens(const struct walk* walk) {
  hadal_config* small = config_i64(HADAL_OPT_CONTEXT, 8);
  hadal_session* session = NULL;
  hadal_request* request = NULL;
  const int32_t ids[9] = {5, 6, 7, 8, 9, 10, 11, 12, 13}, wrong[2] = {5, INT32_MAX};
  int32_t out[kMaxTokens];
  MUST(hadal_session_create(walk->model, small, &session, error));
  hadal_config_free(small);
  FAILS(HADAL_E_INVALID_ARGUMENT,
        hadal_session_generate(session, walk->sampler, NULL, &request, error));
  FAILS(HADAL_E_CONTEXT_FULL, hadal_session_append_tokens(session, ids, 9, error));
  FAILS(HADAL_E_OUT_OF_RANGE, hadal_session_append_tokens(session, wrong, 2, error));
  EXPECT(hadal_session_length(session) == 0);
  MUST(hadal_session_append_tokens(session, ids, 6, error));
  EXPECT(generate_tokens(session, walk->sampler, 0, out) <= 2);
  EXPECT(hadal_session_length(session) <= 8);
  hadal_session_free(session);
}

/* What a generate tells: tokens, their text, its end; and its numbers. */
static void test_generate(const struct walk* walk, int words) {
  hadal_session* session = new_session(walk->model, kPrompt);
  const uint64_t length = hadal_session_length(session);
  hadal_request* request = start_generate(session, walk->sampler, 12);
  hadal_event event = {.struct_size = sizeof event};
  int32_t tokens[kMaxTokens], finish = 0;
  char text[1024], decoded[1024];
  size_t n_tokens = 0, text_size = 0, decoded_size = 0;
  uint64_t n_events = 0;
  double progress = 0;
  hadal_status status;
  while ((status = hadal_request_wait(request, UINT64_MAX, NULL)) == HADAL_EVENT) {
    while (hadal_request_poll(request, &event, NULL) == HADAL_EVENT) {
      EXPECT(event.sequence == n_events++ && event.struct_size == sizeof event);
      if (event.kind == HADAL_EVENT_TOKEN) {
        EXPECT(isnan(event.logprob) && finish == 0);
        tokens[n_tokens++] = event.token;
      } else if (event.kind == HADAL_EVENT_TEXT) {
        EXPECT(event.channel == HADAL_CHANNEL_ANSWER && event.text_size > 0);
        memcpy(text + text_size, event.text, event.text_size);
        text_size += event.text_size;
      } else if (event.kind == HADAL_EVENT_FINISH) {
        finish = event.finish;
      } else {
        EXPECT(event.kind == HADAL_EVENT_PROGRESS && event.progress >= progress);
        progress = event.progress;
      }
    }
  }
  EXPECT(status == HADAL_DONE && progress == 1.0);
  EXPECT(finish == HADAL_FINISH_LENGTH || finish == HADAL_FINISH_STOP);
  EXPECT(n_tokens > 0 && (finish == HADAL_FINISH_STOP || n_tokens == 12));
  EXPECT(hadal_session_length(session) == length + n_tokens);
  MUST(hadal_tokenizer_decode(walk->tokenizer, tokens, n_tokens, 0, decoded, sizeof decoded,
                              &decoded_size, error));
  EXPECT(text_size > 0);
  EXPECT(!words || (text_size == decoded_size && memcmp(text, decoded, text_size) == 0));

  hadal_stats stats = {.struct_size = sizeof stats};
  MUST(hadal_request_stats(request, &stats, error));
  EXPECT(stats.generated_tokens == n_tokens && stats.prompt_tokens == length);
  EXPECT(stats.decode_ns > 0 && stats.host_peak >= stats.host_bytes);
  MUST(hadal_runtime_stats(walk->runtime, &stats, error));
  EXPECT(stats.generated_tokens >= n_tokens && stats.host_bytes > 0);
  int32_t top = 0;
  float logprob = 0;
  size_t n_top = 0;
  FAILS(HADAL_E_NOT_FOUND,
        hadal_request_logprobs(request, length, &top, &logprob, 1, &n_top, error));
  hadal_request_free(request);

  /* The same again, and the same through a callback. */
  int32_t again[kMaxTokens];
  MUST(hadal_session_rewind(session, length, error));
  EXPECT(generate_tokens(session, walk->sampler, 12, again) == n_tokens);
  EXPECT(memcmp(tokens, again, n_tokens * sizeof *tokens) == 0);
  hadal_session_free(session);
}

static void test_logprobs(const struct walk* walk) {
  hadal_session* session = new_session(walk->model, kPrompt);
  const uint64_t length = hadal_session_length(session);
  hadal_config* config = config_i64(HADAL_OPT_LOGPROBS, 5);
  hadal_request* request = NULL;
  hadal_event event = {.struct_size = sizeof event};
  uint64_t position = length;
  MUST(hadal_config_set_i64(config, HADAL_OPT_MAX_TOKENS, 4, error));
  MUST(hadal_session_generate(session, walk->sampler, config, &request, error));
  while (hadal_request_wait(request, UINT64_MAX, NULL) == HADAL_EVENT) {
    hadal_request_poll(request, &event, NULL);
    if (event.kind != HADAL_EVENT_TOKEN) continue;
    int32_t best[5];
    float logprobs[5];
    size_t n_top = 0;
    MUST(hadal_request_logprobs(request, position++, best, logprobs, 5, &n_top, error));
    EXPECT(n_top == 5 && best[0] == event.token && logprobs[0] == event.logprob);
    for (size_t i = 1; i < n_top; ++i) EXPECT(logprobs[i] <= logprobs[i - 1]);
    EXPECT(logprobs[0] <= 0);
    MUST(hadal_request_logprobs(request, position - 1, best, logprobs, 2, &n_top, error));
    EXPECT(n_top == 2);
  }
  EXPECT(position > length);
  hadal_config_free(config);
  hadal_request_free(request);
  hadal_session_free(session);
}

struct heard {
  int32_t tokens[kMaxTokens];
  size_t n_tokens, stop_after;
  int n_destroyed;
  int32_t finish;
};

static int32_t hear(void* user_data, const hadal_event* event) {
  struct heard* heard = user_data;
  if (event->kind == HADAL_EVENT_TOKEN) heard->tokens[heard->n_tokens++] = event->token;
  if (event->kind == HADAL_EVENT_FINISH) heard->finish = event->finish;
  return heard->n_tokens == heard->stop_after ? HADAL_STOP : HADAL_CONTINUE;
}

static void forget(void* user_data) { ++((struct heard*)user_data)->n_destroyed; }

static void test_callback(const struct walk* walk) {
  hadal_session* session = new_session(walk->model, kPrompt);
  const uint64_t length = hadal_session_length(session);
  int32_t tokens[kMaxTokens];
  const size_t n_tokens = generate_tokens(session, walk->sampler, 8, tokens);
  MUST(hadal_session_rewind(session, length, error));

  struct heard heard = {.stop_after = SIZE_MAX};
  hadal_request* request = start_generate(session, walk->sampler, 8);
  MUST(hadal_request_set_callback(request, hear, &heard, forget, error));
  EXPECT(hadal_request_wait(request, UINT64_MAX, NULL) == HADAL_DONE);
  hadal_event event = {.struct_size = sizeof event};
  EXPECT(hadal_request_poll(request, &event, NULL) == HADAL_DONE);
  FAILS(ANY_ERROR, hadal_request_set_callback(request, hear, &heard, forget, error));
  hadal_request_free(request);
  EXPECT(heard.n_destroyed == 1 && heard.finish != 0);
  EXPECT(heard.n_tokens == n_tokens && memcmp(heard.tokens, tokens, n_tokens * 4) == 0);

  MUST(hadal_session_rewind(session, length, error));
  struct heard stopped = {.stop_after = 3};
  request = start_generate(session, walk->sampler, 8);
  MUST(hadal_request_set_callback(request, hear, &stopped, forget, error));
  EXPECT(hadal_request_wait(request, UINT64_MAX, NULL) == HADAL_E_CANCELLED);
  hadal_request_free(request);
  EXPECT(stopped.n_tokens == 3 && stopped.n_destroyed == 1);
  EXPECT(hadal_session_length(session) == length + 3);
  hadal_session_free(session);
}

/* After a cancel the session holds what was announced, and goes on as if nothing had happened. */
static void test_cancel(const struct walk* walk) {
  hadal_session* session = new_session(walk->model, kPrompt);
  const uint64_t length = hadal_session_length(session);
  /* Never a token that ends an answer (of the toy's vocabulary), and so many that a thread in the
   * background cannot be through with them before it is cancelled. */
  hadal_config* endless = config_i64(HADAL_OPT_SEED, 7);
  hadal_sampler* sampler = NULL;
  static const char kEnds[] = "1:-inf,300:-inf,302:-inf";
  MUST(hadal_config_set_str(endless, HADAL_OPT_LOGIT_BIAS, kEnds, strlen(kEnds), error));
  MUST(hadal_sampler_create(walk->runtime, endless, &sampler, error));
  hadal_config_free(endless);
  int32_t tokens[kMaxTokens], rest[kMaxTokens];
  const size_t n_tokens = generate_tokens(session, sampler, 10, tokens);
  EXPECT(n_tokens == 10);
  MUST(hadal_session_rewind(session, length, error));

  hadal_request* request = start_generate(session, sampler, 1000);
  hadal_event event = {.struct_size = sizeof event};
  size_t announced = 0;
  hadal_status status;
  while ((status = hadal_request_wait(request, UINT64_MAX, NULL)) == HADAL_EVENT) {
    hadal_request_poll(request, &event, NULL);
    if (event.kind != HADAL_EVENT_TOKEN) continue;
    EXPECT(announced >= n_tokens || event.token == tokens[announced]);
    ++announced;
    if (announced == 1) {
      FAILS(HADAL_E_BUSY, hadal_session_append_tokens(session, tokens, 1, error));
      FAILS(HADAL_E_BUSY, hadal_session_rewind(session, 0, error));
    }
    if (announced == 3) {
      hadal_request_cancel(request);
      hadal_request_cancel(request);
    }
  }
  EXPECT(status == HADAL_E_CANCELLED);
  FAILS(HADAL_E_CANCELLED, hadal_request_step(request, 0, error));
  hadal_request_free(request);
  EXPECT(announced >= 3 && hadal_session_length(session) == length + announced);
  if (announced < n_tokens) { /* it goes on from there */
    const size_t n_rest = generate_tokens(session, sampler, (int64_t)(n_tokens - announced), rest);
    EXPECT(n_rest == n_tokens - announced);
    EXPECT(memcmp(rest, tokens + announced, n_rest * sizeof *rest) == 0);
  }
  hadal_sampler_free(sampler);
  hadal_session_free(session);
}

/* The importance matrix of a model that measures, and of one that does not. */
static void test_imatrix(const struct walk* walk, const char* path) {
  static const char kFile[] = "capi_test.imatrix";
  hadal_config* measure = config_i64(HADAL_OPT_IMATRIX, 1);
  hadal_model* model = load_model(walk->runtime, path, measure);
  const size_t size = strlen(kFile);
  remove(kFile);
  FAILS(HADAL_E_INVALID_ARGUMENT,
        hadal_model_save_imatrix(walk->model, kFile, size, NULL, 0, 0, 0, error));
  FAILS(HADAL_E_INVALID_ARGUMENT,
        hadal_model_save_imatrix(model, kFile, size, NULL, 0, 0, 0, error)); /* nothing computed */
  hadal_session* session = new_session(model, kPrompt);
  hadal_request* prefill = NULL;
  MUST(hadal_session_prefill(session, NULL, &prefill, error));
  EXPECT(run_to_end(prefill) == HADAL_DONE);
  hadal_request_free(prefill);
  FAILS(HADAL_E_INVALID_ARGUMENT,
        hadal_model_save_imatrix(model, kFile, size, NULL, 0, -1, 0, error));
  FAILS(HADAL_E_INVALID_ARGUMENT,
        hadal_model_save_imatrix(model, kFile, size, NULL, 0, 0, 64, error));
  EXPECT(fopen(kFile, "rb") == NULL);
  for (int32_t flags = 0; flags < 8; ++flags) {
    if ((flags & HADAL_IMATRIX_ADD) == 0) remove(kFile);
    MUST(hadal_model_save_imatrix(model, kFile, size, "prompt", 6, 100, flags, error));
    FILE* file = fopen(kFile, "rb");
    char magic[4] = "";
    EXPECT(file != NULL && fread(magic, 1, 4, file) == 4);
    EXPECT((memcmp(magic, "GGUF", 4) == 0) == ((flags & HADAL_IMATRIX_DAT) == 0));
    if (file != NULL) fclose(file);
  }
  FAILS(ANY_ERROR, hadal_model_save_imatrix(model, "no/such/folder/x", 16, "", 0, 0, 0, error));
  remove(kFile);
  hadal_session_free(session);
  hadal_model_free(model);
  hadal_config_free(measure);
}

/* Sums of all lines. names has those of earlier calls: a line keeps its name and its index. */
static hadal_op_profile profile_of(const hadal_model* model, const char* names[kMaxTokens]) {
  hadal_op_profile sum = {.struct_size = sizeof sum}, line = {.struct_size = sizeof line};
  const char* name = NULL;
  for (size_t i = 0; i < kMaxTokens && (name = hadal_model_profile(model, i, &line)); ++i) {
    EXPECT(line.struct_size == sizeof line && line.flags == 0 && line.calls > 0);
    EXPECT(names[i] == NULL || names[i] == name);
    names[i] = name;
    sum.calls += line.calls;
    sum.ns += line.ns;
    sum.bytes += line.bytes;
    sum.multiplications += line.multiplications;
  }
  return sum;
}

/* What the ops took, while a request runs and after; the same tokens as without. */
static void test_profile(const struct walk* walk, const char* path) {
  hadal_config* config = config_i64(HADAL_OPT_PROFILE, 1);
  hadal_model* model = load_model(walk->runtime, path, config);
  hadal_config_free(config);
  const char* names[kMaxTokens] = {NULL};
  hadal_op_profile line = {.struct_size = sizeof line};
  EXPECT(hadal_model_profile(walk->model, 0, &line) == NULL);
  EXPECT(hadal_model_profile(model, 0, &line) == NULL); /* nothing has run yet */
  EXPECT(profile_of(model, names).calls == 0);

  hadal_session *plain = new_session(walk->model, kPrompt), *session = new_session(model, kPrompt);
  int32_t expected[kMaxTokens], tokens[kMaxTokens];
  const size_t n_expected = generate_tokens(plain, walk->sampler, 6, expected);
  hadal_request* request = start_generate(session, walk->sampler, 6);
  hadal_event event = {.struct_size = sizeof event};
  hadal_op_profile before = profile_of(model, names);
  size_t n_tokens = 0;
  while (hadal_request_wait(request, UINT64_MAX, NULL) == HADAL_EVENT) {
    const hadal_op_profile now = profile_of(model, names);
    EXPECT(now.calls >= before.calls && now.ns >= before.ns && now.bytes >= before.bytes);
    before = now;
    if (hadal_request_poll(request, &event, NULL) == HADAL_EVENT &&
        event.kind == HADAL_EVENT_TOKEN) {
      tokens[n_tokens++] = event.token;
    }
  }
  hadal_request_free(request);
  EXPECT(n_tokens == n_expected && memcmp(tokens, expected, n_tokens * sizeof *tokens) == 0);

  const hadal_op_profile sum = profile_of(model, names);
  EXPECT(sum.calls > 100 && sum.ns > 0 && sum.bytes > 0 && sum.multiplications > 0);
  const char* name = hadal_model_profile(model, 0, &line);
  EXPECT(name && strncmp(name, "embed ", 6) == 0);
  EXPECT(line.calls >= n_tokens && line.bytes > 0 && line.multiplications == 0);
  EXPECT(hadal_model_profile(model, 10000, &line) == NULL);
  EXPECT(hadal_model_profile(model, SIZE_MAX, &line) == NULL);
  EXPECT(line.calls >= n_tokens); /* not written */
  hadal_session_free(plain);
  hadal_session_free(session);
  hadal_model_free(model);
}

static void say(hadal_session* session, const char* role, const char* content) {
  MUST(hadal_session_add_message(session, role, strlen(role), content, strlen(content), error));
}

static void test_chat(const struct walk* walk) {
  static const char tool[] = "{\"role\": \"assistant\", \"content\": \"Hello.\"}";
  hadal_config* config = NULL;
  hadal_session* session = NULL;
  int32_t first[kMaxTokens], second[2 * kMaxTokens];
  size_t n_first = 0, n_second = 0;
  MUST(hadal_config_create(&config, error));
  MUST(hadal_config_set_str(config, HADAL_OPT_CHAT_FORMAT, "deepseek-v3", 11, error));
  MUST(hadal_session_create(walk->model, config, &session, error));
  hadal_config_free(config);

  say(session, "system", "Be kind.");
  say(session, "user", "Hi!");
  EXPECT(hadal_session_length(session) == 0);
  MUST(hadal_session_apply_chat(session, HADAL_CHAT_PROMPT, error));
  MUST(hadal_session_tokens(session, first, kMaxTokens, &n_first, error));
  MUST(hadal_session_apply_chat(session, HADAL_CHAT_PROMPT, error));
  EXPECT(hadal_session_length(session) == n_first);

  MUST(hadal_session_add_message_json(session, tool, sizeof tool - 1, error));
  say(session, "user", "And now?");
  MUST(hadal_session_apply_chat(session, HADAL_CHAT_PROMPT, error));
  MUST(hadal_session_tokens(session, second, 2 * kMaxTokens, &n_second, error));
  EXPECT(n_second > n_first && memcmp(first, second, n_first * sizeof *first) == 0);

  FAILS(HADAL_E_INVALID_ARGUMENT, hadal_session_add_message(session, "wizard", 6, "x", 1, error));
  FAILS(HADAL_E_INVALID_ARGUMENT, hadal_session_add_message(session, "user", 4, "\xff", 1, error));
  FAILS(ANY_ERROR, hadal_session_add_message_json(session, "{", 1, error));
  MUST(hadal_session_clear_messages(session, error));
  EXPECT(hadal_session_length(session) == n_second);
  hadal_session_free(session);
}

/* A frame's worth of work at a time gives the same tokens; 0 is one unit, so there are many. */
static void test_step(const struct walk* walk, int64_t threads) {
  hadal_session* session = new_session(walk->model, kPrompt);
  const uint64_t length = hadal_session_length(session);
  int32_t tokens[kMaxTokens], stepped[kMaxTokens];
  const size_t n_tokens = generate_tokens(session, walk->sampler, 5, tokens);
  for (uint64_t budget = 0; budget <= 2000000; budget += 2000000) {
    MUST(hadal_session_rewind(session, length, error));
    hadal_request* request = start_generate(session, walk->sampler, 5);
    hadal_event event = {.struct_size = sizeof event};
    size_t n_stepped = 0, n_steps = 0;
    hadal_status status;
    /* Without threads of its own nothing moves until somebody steps or waits. */
    if (threads == 0) EXPECT(hadal_request_poll(request, &event, NULL) == HADAL_PENDING);
    do {
      status = hadal_request_step(request, budget, NULL);
      ++n_steps;
      while (hadal_request_poll(request, &event, NULL) == HADAL_EVENT) {
        if (event.kind == HADAL_EVENT_TOKEN) stepped[n_stepped++] = event.token;
      }
    } while (status == HADAL_PENDING || status == HADAL_EVENT);
    EXPECT(status == HADAL_DONE && n_steps >= 1);
    EXPECT(n_stepped == n_tokens && memcmp(stepped, tokens, n_tokens * sizeof *tokens) == 0);
    hadal_request_free(request);
  }
  hadal_session_free(session);
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  test_library();
  for (int64_t threads = 0; threads <= 2; threads += 2) {
    struct walk walk;
    walk_begin(&walk, argv[1], threads, 1);
    test_load_by_steps(walk.runtime, argv[1]);
    test_plan_and_metadata(&walk, argv[1]);
    test_missing_file(&walk);
    test_missing_module(&walk, argv[1]);
    test_tokenizer(&walk);
    test_session(&walk, 0);
    test_kept_logits(&walk, 0);
    test_refused_tokens(&walk);
    test_generate(&walk, argc > 2);
    test_logprobs(&walk);
    test_callback(&walk);
    test_cancel(&walk);
    test_profile(&walk, argv[1]);
    test_imatrix(&walk, argv[1]);
    test_chat(&walk);
    test_step(&walk, threads);
    walk_end(&walk);
    walk_begin(&walk, argv[1], threads, 2);
    test_session(&walk, 1);
    test_kept_logits(&walk, 1);
    walk_end(&walk);
  }
  return test_result();
}
