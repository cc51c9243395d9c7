/* The library as a guest that leaves: opened, used and closed over and over, without a mapping,
 * descriptor or thread left behind; a host thread that used it ends after it is gone; two copies
 * live in one process. Links nothing. Usage: unload_test LIBRARY MODEL ROUNDS [BACKEND]; a backend
 * that comes in a module is expected beside the library, and to leave with it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <hadal/hadal.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The formatter folds this list differently each time. */
/* clang-format off */
#define LIBRARY_FUNCTIONS(X) \
  X(runtime_create) X(runtime_free) X(model_load) X(model_free) X(request_wait) \
  X(request_poll) X(request_take_model) X(request_free) X(session_create) \
  X(session_append_text) X(session_generate) X(session_free) X(sampler_create) \
  X(sampler_free) X(config_create) X(config_set_i64) X(config_set_str) X(config_free)
/* clang-format on */

struct library {
  void* handle;
#define MEMBER(name) __typeof__(hadal_##name)* name;
  LIBRARY_FUNCTIONS(MEMBER)
};

static void require(int fact, const char* text) {
  if (fact) return;
  const char* why = dlerror();
  fprintf(stderr, "not so: %s %s\n", text, why ? why : "");
  exit(1);
}

static struct library library_open(const char* path, int flags) {
  struct library library = {.handle = dlopen(path, flags)};
  require(library.handle != NULL, "dlopen");
#define FIND(name)                                                  \
  *(void**)(&library.name) = dlsym(library.handle, "hadal_" #name); \
  require(library.name != NULL, #name);
  LIBRARY_FUNCTIONS(FIND)
  return library;
}

static int run_to_end(const struct library* l, hadal_request* request, int32_t* tokens) {
  hadal_event event = {.struct_size = sizeof event};
  hadal_status status;
  int n = 0;
  while ((status = l->request_wait(request, UINT64_MAX, NULL)) == HADAL_EVENT) {
    if (l->request_poll(request, &event, NULL) == HADAL_EVENT && event.kind == HADAL_EVENT_TOKEN) {
      tokens[n++] = event.token;
    }
  }
  require(status == HADAL_DONE, "the request is done");
  return n;
}

enum { kTokens = 4 };
static const char* backend = "auto";
/* Rows enough for products that a module may do. */
static const char kPrompt[] = "Once upon a time there was a prompt of many, many tokens, and more";

static void live(const struct library* l, const char* model_path, int32_t* tokens) {
  hadal_runtime* runtime = NULL;
  hadal_request *load = NULL, *answer = NULL;
  hadal_model* model = NULL;
  hadal_session* session = NULL;
  hadal_sampler* sampler = NULL;
  hadal_config *threads = NULL, *seed = NULL, *few = NULL, *chosen = NULL;
  int ok = l->config_create(&threads, NULL) == HADAL_OK;
  ok &= l->config_create(&seed, NULL) == HADAL_OK && l->config_create(&few, NULL) == HADAL_OK;
  ok &= l->config_set_i64(threads, HADAL_OPT_THREADS, 2, NULL) == HADAL_OK;
  ok &= l->config_set_i64(seed, HADAL_OPT_SEED, 7, NULL) == HADAL_OK;
  ok &= l->config_set_i64(few, HADAL_OPT_MAX_TOKENS, kTokens, NULL) == HADAL_OK;
  ok &= l->config_create(&chosen, NULL) == HADAL_OK;
  ok &= l->config_set_str(chosen, HADAL_OPT_BACKEND, backend, strlen(backend), NULL) == HADAL_OK;
  ok &= l->runtime_create(threads, &runtime, NULL) == HADAL_OK;
  ok &= l->model_load(runtime, model_path, strlen(model_path), chosen, &load, NULL) == HADAL_OK;
  require(ok, "runtime and load");
  run_to_end(l, load, tokens);
  ok &= l->request_take_model(load, &model, NULL) == HADAL_OK;
  ok &= l->session_create(model, NULL, &session, NULL) == HADAL_OK;
  ok &= l->session_append_text(session, kPrompt, strlen(kPrompt), HADAL_TEXT_BOS, NULL) == HADAL_OK;
  ok &= l->sampler_create(runtime, seed, &sampler, NULL) == HADAL_OK;
  ok &= l->session_generate(session, sampler, few, &answer, NULL) == HADAL_OK;
  require(ok, "session and generate");
  require(run_to_end(l, answer, tokens) > 0, "tokens came");
  l->request_free(answer);
  l->sampler_free(sampler);
  l->session_free(session);
  l->model_free(model);
  l->request_free(load);
  l->runtime_free(runtime);
  l->config_free(chosen);
  l->config_free(few);
  l->config_free(seed);
  l->config_free(threads);
}

/* The file, or one of the modules. */
static int is_mapped(const char* path) {
  char line[4096];
  char resolved[4096];
  require(realpath(path, resolved) != NULL, "realpath");
  FILE* maps = fopen("/proc/self/maps", "r");
  int found = 0;
  while (fgets(line, sizeof line, maps)) {
    found |= strstr(line, resolved) != NULL || strstr(line, "libhadal_onednn") != NULL;
  }
  fclose(maps);
  return found;
}

static int has_avx512_bf16(void) {
  char line[8192];
  FILE* info = fopen("/proc/cpuinfo", "r");
  int found = 0;
  while (fgets(line, sizeof line, info)) found |= strstr(line, " avx512_bf16 ") != NULL;
  fclose(info);
  return found;
}

static int count_entries(const char* folder) {
  DIR* dir = opendir(folder);
  int n = 0;
  while (readdir(dir)) ++n;
  closedir(dir);
  return n;
}

struct visit {
  const struct library* library;
  const char* model_path;
  pthread_barrier_t used, closed;
};

/* A host thread that used the library and ends when the library is no longer there. */
static void* visitor(void* user_data) {
  struct visit* visit = user_data;
  int32_t tokens[kTokens];
  live(visit->library, visit->model_path, tokens);
  pthread_barrier_wait(&visit->used);
  pthread_barrier_wait(&visit->closed);
  return NULL;
}

static void test_thread_outlives_library(const char* path, const char* model_path) {
  struct library library = library_open(path, RTLD_NOW | RTLD_LOCAL);
  struct visit visit = {.library = &library, .model_path = model_path};
  pthread_t threads[2];
  pthread_barrier_init(&visit.used, NULL, 3);
  pthread_barrier_init(&visit.closed, NULL, 3);
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, visitor, &visit);
  pthread_barrier_wait(&visit.used);
  dlclose(library.handle);
  require(!is_mapped(path), "the library is unmapped while its users live");
  pthread_barrier_wait(&visit.closed);
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&visit.used);
  pthread_barrier_destroy(&visit.closed);
}

static void copy_file(const char* from, const char* to) {
  char buffer[1 << 16];
  size_t n;
  FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
  require(in && out, "copy the library");
  while ((n = fread(buffer, 1, sizeof buffer, in)) > 0) fwrite(buffer, 1, n, out);
  fclose(in);
  fclose(out);
}

/* Two copies, one of them with its symbols visible to all, each with its own state. */
static void test_two_copies(const char* path, const char* model_path) {
  char copy[] = "/tmp/hadal-copy-XXXXXX";
  int32_t first[kTokens], second[kTokens], again[kTokens];
  const int fd = mkstemp(copy);
  require(fd >= 0, "mkstemp");
  close(fd);
  copy_file(path, copy);
  struct library a = library_open(path, RTLD_NOW | RTLD_GLOBAL);
  struct library b = library_open(copy, RTLD_NOW | RTLD_LOCAL);
  require(a.runtime_create != b.runtime_create, "two copies are two libraries");
  live(&a, model_path, first);
  live(&b, model_path, second);
  require(memcmp(first, second, sizeof first) == 0, "both give the same tokens");
  dlclose(a.handle);
  live(&b, model_path, again);
  require(memcmp(first, again, sizeof first) == 0, "one lives on without the other");
  dlclose(b.handle);
  unlink(copy);
}

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) return 2;
  if (argc == 5) backend = argv[4];
  if (strcmp(backend, "onednn") == 0 && !has_avx512_bf16()) return 77; /* it would be refused */
  const int rounds = atoi(argv[3]);
  int32_t tokens[kTokens];
  int fds = 0, threads = 0;
  for (int round = 0; round < rounds; ++round) {
    struct library library = library_open(argv[1], RTLD_NOW | RTLD_LOCAL);
    live(&library, argv[2], tokens);
    dlclose(library.handle);
    require(!is_mapped(argv[1]), "no mapping is left");
    if (round == 0) fds = count_entries("/proc/self/fd");
    if (round == 0) threads = count_entries("/proc/self/task");
    require(count_entries("/proc/self/fd") == fds, "no descriptor is left");
    require(count_entries("/proc/self/task") == threads && threads == 3, "no thread is left");
  }
  test_thread_outlives_library(argv[1], argv[2]);
  if (argc == 4) test_two_copies(argv[1], argv[2]); /* beside a copy there is no module */
  return 0;
}
