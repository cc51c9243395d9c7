/* Objects freed in any order and while they work, two threads on one object, a forked child, and a
 * thread with the smallest stack that hadal promises to need. Usage: lifetime_test MODEL */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

enum { kObjects = 6, kOrders = 720 };

static void free_object(struct walk* walk, hadal_session* session, hadal_request* request,
                        int which) {
  if (which == 0) hadal_runtime_free(walk->runtime);
  if (which == 1) hadal_model_free(walk->model);
  if (which == 2) hadal_tokenizer_free(walk->tokenizer);
  if (which == 3) hadal_sampler_free(walk->sampler);
  if (which == 4) hadal_session_free(session);
  if (which == 5) hadal_request_free(request);
}

/* All 720 orders of six objects, with a request in the middle of its work. */
static void test_free_in_any_order(const char* path, int64_t threads, int stride) {
  for (int order = 0; order < kOrders; order += stride) {
    struct walk walk;
    int left[kObjects] = {0, 1, 2, 3, 4, 5};
    walk_begin(&walk, path, threads, 1);
    hadal_session* session = new_session(walk.model, "Once");
    hadal_request* request = start_generate(session, walk.sampler, 50);
    hadal_request_step(request, 0, NULL);
    for (int n = kObjects, code = order; n > 0; code /= n, --n) {
      const int at = code % n;
      free_object(&walk, session, request, left[at]);
      left[at] = left[n - 1];
    }
  }
}

/* A child outlives its parents and still works. */
static void test_children_keep_parents(const char* path) {
  struct walk walk;
  int32_t tokens[8];
  walk_begin(&walk, path, 1, 1);
  hadal_session* session = new_session(walk.model, "Once");
  hadal_runtime_free(walk.runtime);
  hadal_model_free(walk.model);
  EXPECT(generate_tokens(session, walk.sampler, 4, tokens) > 0);
  hadal_session_free(session);
  size_t n_tokens = 0;
  MUST(hadal_tokenizer_encode(walk.tokenizer, "Once", 4, 0, tokens, 8, &n_tokens, error));
  hadal_sampler_free(walk.sampler);
  hadal_tokenizer_free(walk.tokenizer);
}

struct contest {
  hadal_session* session;
  atomic_int n_busy, n_done, n_other;
};

static void* contend(void* user_data) {
  struct contest* contest = user_data;
  for (int i = 0; i < 2000; ++i) {
    const hadal_status status = hadal_session_rewind(contest->session, 0, NULL);
    if (status == HADAL_OK)
      ++contest->n_done;
    else if (status == HADAL_E_BUSY)
      ++contest->n_busy;
    else
      ++contest->n_other;
  }
  return NULL;
}

/* Misuse of a [one] object by two threads is E_BUSY and nothing worse. */
static void test_two_threads(const char* path) {
  struct walk walk;
  pthread_t threads[2];
  walk_begin(&walk, path, 0, 1);
  struct contest contest = {.session = new_session(walk.model, "Once")};
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, contend, &contest);
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  EXPECT(contest.n_done > 0 && contest.n_other == 0 && contest.n_done + contest.n_busy == 4000);
  hadal_session_free(contest.session);
  walk_end(&walk);
}

struct sharing {
  hadal_runtime* runtime;
  const hadal_config* config;
  atomic_int n_made;
};

static void* make_samplers(void* user_data) {
  struct sharing* sharing = user_data;
  for (int i = 0; i < 5000; ++i) {
    hadal_sampler* sampler = NULL;
    if (hadal_sampler_create(sharing->runtime, sharing->config, &sampler, NULL) == HADAL_OK)
      ++sharing->n_made;
    hadal_sampler_free(sampler);
  }
  return NULL;
}

/* What is tagged [any] may be made by several threads from one config at a time. */
static void test_shared_config(const char* path) {
  struct walk walk;
  pthread_t threads[2];
  walk_begin(&walk, path, 0, 1);
  hadal_config* config = config_i64(HADAL_OPT_SEED, 7);
  MUST(hadal_config_set_str(config, HADAL_OPT_LOGIT_BIAS, "1:-1,2:-1,3:-1", 14, error));
  struct sharing sharing = {.runtime = walk.runtime, .config = config};
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, make_samplers, &sharing);
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  EXPECT(sharing.n_made == 10000);
  MUST(hadal_config_set_i64(config, HADAL_OPT_SEED, 8, error)); /* nobody reads it any more */
  hadal_config_free(config);
  walk_end(&walk);
}

/* A forked child may only exec or _exit: everything else answers, without touching anything. */
static void test_fork(const char* path) {
  struct walk walk;
  walk_begin(&walk, path, 2, 1);
  hadal_session* session = new_session(walk.model, "Once");
  const pid_t child = fork();
  if (child == 0) {
    hadal_session* other = NULL;
    hadal_request* request = NULL;
    int right = hadal_session_rewind(session, 0, NULL) == HADAL_E_BUSY;
    right &= hadal_session_create(walk.model, NULL, &other, NULL) == HADAL_E_BUSY;
    right &= hadal_session_prefill(session, NULL, &request, NULL) == HADAL_E_BUSY;
    right &=
        hadal_model_load(walk.runtime, path, strlen(path), NULL, &request, NULL) == HADAL_E_BUSY;
    /* Plain data does without threads. */
    int32_t ids[8];
    size_t n_ids = 0;
    right &= hadal_tokenizer_encode(walk.tokenizer, "Once", 4, 0, ids, 8, &n_ids, NULL) == HADAL_OK;
    hadal_config* config = NULL;
    right &= n_ids > 0 && hadal_config_create(&config, NULL) == HADAL_OK;
    _exit(right ? 0 : 1);
  }
  int result = -1;
  EXPECT(waitpid(child, &result, 0) == child && WIFEXITED(result) && WEXITSTATUS(result) == 0);
  int32_t tokens[4];
  EXPECT(generate_tokens(session, walk.sampler, 2, tokens) == 2);
  hadal_session_free(session);
  walk_end(&walk);
}

static void* small_life(void* path) {
  struct walk walk;
  int32_t tokens[4];
  walk_begin(&walk, path, 0, 1);
  hadal_session* session = new_session(walk.model, "Once upon a time");
  EXPECT(generate_tokens(session, walk.sampler, 2, tokens) == 2);
  hadal_session_free(session);
  walk_end(&walk);
  return NULL;
}

/* The whole walk on a stack of 64 KiB plus what the C library itself puts there (thread-local
 * storage, stdio of this test), above a page that must not be touched. */
static void test_small_stack(const char* path) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  enum { kStack = (64 + 16) * 1024, kGuard = 4096 };
  pthread_attr_t attributes;
  pthread_t thread;
  char* memory =
      mmap(NULL, kStack + kGuard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT(memory != MAP_FAILED && mprotect(memory, kGuard, PROT_NONE) == 0);
  pthread_attr_init(&attributes);
  EXPECT(pthread_attr_setstack(&attributes, memory + kGuard, kStack) == 0);
  EXPECT(pthread_create(&thread, &attributes, small_life, (void*)(uintptr_t)path) == 0);
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
  munmap(memory, kStack + kGuard);
#else
  small_life((void*)(uintptr_t)path); /* sanitizers need far more */
#endif
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  test_free_in_any_order(argv[1], 0, 1);
  test_free_in_any_order(argv[1], 2, 7);
  test_children_keep_parents(argv[1]);
  test_two_threads(argv[1]);
  test_shared_config(argv[1]);
  test_fork(argv[1]);
  test_small_stack(argv[1]);
  return test_result();
}
