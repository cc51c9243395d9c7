/* What a host supplies: memory with a budget and refusals, files from memory, its own threads, a
 * log. Usage: host_test MODEL */
#include <pthread.h>
#include <stdatomic.h>

#include "support.h"

/* ---- Memory ---------------------------------------------------------------------------------- */

struct heap {
  atomic_llong live, peak, n_calls;
  long long refuse_at; /* which call gets NULL, counted from 1; 0: none */
  atomic_int n_destroyed;
};

static void* heap_allocate(void* user_data, size_t size, size_t align, int32_t tag) {
  struct heap* heap = user_data;
  EXPECT(align > 0 && (align & (align - 1)) == 0);
  EXPECT(tag >= HADAL_MEM_WEIGHTS && tag <= HADAL_MEM_STAGING);
  if (atomic_fetch_add(&heap->n_calls, 1) + 1 == heap->refuse_at) return NULL;
  const long long live = atomic_fetch_add(&heap->live, (long long)size) + (long long)size;
  if (live > heap->peak) heap->peak = live;
  return aligned_alloc(align, (size + align - 1) / align * align + (size == 0 ? align : 0));
}

static void heap_release(void* user_data, void* ptr, size_t size, size_t align, int32_t tag) {
  struct heap* heap = user_data;
  (void)align, (void)tag;
  atomic_fetch_sub(&heap->live, (long long)size);
  free(ptr);
}

static void heap_destroy(void* user_data) { ++((struct heap*)user_data)->n_destroyed; }

static hadal_allocator heap_table(struct heap* heap) {
  const hadal_allocator table = {.struct_size = sizeof table,
                                 .user_data = heap,
                                 .destroy = heap_destroy,
                                 .allocate = heap_allocate,
                                 .release = heap_release};
  return table;
}

/* Load from bytes read into memory, then a few tokens. Returns the first failure, or the last
 * status. */
static hadal_status scenario(const hadal_config* config, const char* path) {
  hadal_runtime* runtime = NULL;
  hadal_request *load = NULL, *answer = NULL;
  hadal_model* model = NULL;
  hadal_session* session = NULL;
  hadal_sampler* sampler = NULL;
  hadal_config* read = config_i64(HADAL_OPT_MMAP, 0);
  hadal_config* few = config_i64(HADAL_OPT_MAX_TOKENS, 3);
  hadal_status status = hadal_runtime_create(config, &runtime, NULL);
  if (status >= 0) status = hadal_model_load(runtime, path, strlen(path), read, &load, NULL);
  if (status >= 0) status = run_to_end(load);
  if (status >= 0) status = hadal_request_take_model(load, &model, NULL);
  if (status >= 0) status = hadal_session_create(model, NULL, &session, NULL);
  if (status >= 0) status = hadal_session_append_text(session, "Once", 4, HADAL_TEXT_BOS, NULL);
  if (status >= 0) status = hadal_sampler_create(runtime, NULL, &sampler, NULL);
  if (status >= 0) status = hadal_session_generate(session, sampler, few, &answer, NULL);
  if (status >= 0) status = run_to_end(answer);
  hadal_request_free(answer);
  hadal_sampler_free(sampler);
  hadal_session_free(session);
  hadal_model_free(model);
  hadal_request_free(load);
  hadal_runtime_free(runtime);
  hadal_config_free(few);
  hadal_config_free(read);
  return status;
}

static hadal_config* caller_only(void) { return config_i64(HADAL_OPT_THREADS, 0); }

static void test_allocator(const char* path) {
  struct heap heap = {0};
  const hadal_allocator table = heap_table(&heap);
  hadal_config* config = caller_only();
  MUST(hadal_config_set_allocator(config, &table, error));
  EXPECT(scenario(config, path) == HADAL_DONE);
  EXPECT(heap.n_calls > 0 && heap.peak > 0 && heap.live == 0 && heap.n_destroyed == 0);
  const long long n_calls = heap.n_calls;

  /* Every single refusal is a status, and gives everything back. */
  for (long long refused = 1; refused <= n_calls; ++refused) {
    heap.n_calls = 0;
    heap.refuse_at = refused;
    EXPECT(scenario(config, path) == HADAL_E_NO_MEMORY);
    EXPECT(heap.live == 0);
  }
  heap.refuse_at = 0;

  /* A budget below the plan's minimum is refused before it is crossed; the plan's is enough. */
  hadal_runtime* runtime = NULL;
  hadal_memory_plan plan = {.struct_size = sizeof plan};
  hadal_config* read = config_i64(HADAL_OPT_MMAP, 0);
  MUST(hadal_runtime_create(config, &runtime, error));
  MUST(hadal_model_plan(runtime, path, strlen(path), read, &plan, error));
  hadal_runtime_free(runtime);
  hadal_config_free(read);
  const int64_t too_little = (int64_t)plan.host_weights / 2;
  MUST(hadal_config_set_i64(config, HADAL_OPT_HOST_BYTES, too_little, error));
  heap.peak = 0;
  EXPECT(scenario(config, path) == HADAL_E_BUDGET);
  EXPECT(heap.peak <= too_little && heap.live == 0);
  const int64_t enough = (int64_t)plan.host_comfortable;
  MUST(hadal_config_set_i64(config, HADAL_OPT_HOST_BYTES, enough, error));
  heap.peak = 0;
  EXPECT(scenario(config, path) == HADAL_DONE);
  EXPECT(heap.peak <= enough && heap.live == 0);

  hadal_config_free(config);
  EXPECT(heap.n_destroyed == 1);
}

/* ---- Files ----------------------------------------------------------------------------------- */

struct memory_file {
  unsigned char* bytes;
  uint64_t size;
  int n_open, n_destroyed;
  size_t most; /* bytes of one read: short reads are legal */
};

static int32_t memory_open(void* user_data, const char* path, size_t path_size, int32_t mode,
                           void** file) {
  struct memory_file* memory = user_data;
  if (mode != HADAL_IO_READ || path_size != 8 || memcmp(path, "mem.gguf", 8) != 0) {
    return HADAL_E_NOT_FOUND;
  }
  ++memory->n_open;
  *file = memory;
  return HADAL_OK;
}

static int32_t memory_size(void* user_data, void* file, uint64_t* bytes) {
  (void)user_data;
  *bytes = ((struct memory_file*)file)->size;
  return HADAL_OK;
}

static int32_t memory_read_at(void* user_data, void* file, uint64_t at, void* to, size_t n,
                              size_t* done) {
  const struct memory_file* memory = file;
  (void)user_data;
  const uint64_t left = at < memory->size ? memory->size - at : 0;
  if (n > memory->most) n = memory->most;
  *done = left < n ? (size_t)left : n;
  memcpy(to, memory->bytes + (left ? at : 0), *done);
  return HADAL_OK;
}

static void memory_close(void* user_data, void* file) {
  (void)user_data;
  --((struct memory_file*)file)->n_open;
}

static void memory_destroy(void* user_data) { ++((struct memory_file*)user_data)->n_destroyed; }

static void read_whole(const char* path, struct memory_file* memory) {
  FILE* file = fopen(path, "rb");
  if (!file) exit(2);
  fseek(file, 0, SEEK_END);
  memory->size = (uint64_t)ftell(file);
  rewind(file);
  memory->bytes = malloc(memory->size);
  if (fread(memory->bytes, 1, memory->size, file) != memory->size) exit(2);
  fclose(file);
}

static void test_io(const char* path) {
  struct memory_file memory = {.most = 70000};
  read_whole(path, &memory);
  const hadal_io table = {.struct_size = sizeof table,
                          .user_data = &memory,
                          .destroy = memory_destroy,
                          .open = memory_open,
                          .size = memory_size,
                          .read_at = memory_read_at,
                          .close = memory_close};
  hadal_config* config = caller_only();
  MUST(hadal_config_set_io(config, &table, error));
  EXPECT(scenario(config, "mem.gguf") == HADAL_DONE);
  EXPECT(scenario(config, path) == HADAL_E_NOT_FOUND);
  memory.size -= 1;
  EXPECT(scenario(config, "mem.gguf") == HADAL_E_FORMAT);
  memory.size = 0;
  EXPECT(scenario(config, "mem.gguf") == HADAL_E_FORMAT);
  EXPECT(memory.n_open == 0 && memory.n_destroyed == 0);
  hadal_config_free(config);
  EXPECT(memory.n_destroyed == 1);
  free(memory.bytes);
}

/* ---- Threads --------------------------------------------------------------------------------- */

struct crew {
  atomic_int n_loops, n_tasks;
};
struct shift {
  struct crew* crew;
  void (*task)(void* arg, size_t i);
  void* arg;
  size_t n, first;
};
static _Thread_local int in_shift;

static void* work(void* user_data) {
  const struct shift* shift = user_data;
  in_shift = 1;
  for (size_t i = shift->first; i < shift->n; i += 2) {
    shift->task(shift->arg, i);
    ++shift->crew->n_tasks;
  }
  in_shift = 0;
  return NULL;
}

static int32_t crew_size(void* user_data) { return (void)user_data, 2; }
static int32_t crew_inside(void* user_data) { return (void)user_data, in_shift; }

/* Two threads, in descending halves: any order and any thread must do. */
static void crew_run(void* user_data, size_t n, void (*task)(void* arg, size_t i), void* arg) {
  struct crew* crew = user_data;
  struct shift even = {crew, task, arg, n, 0}, odd = {crew, task, arg, n, 1};
  pthread_t other;
  ++crew->n_loops;
  if (pthread_create(&other, NULL, work, &odd) != 0) exit(2);
  work(&even);
  pthread_join(other, NULL);
}

static void test_executor(const char* path) {
  struct crew crew = {0};
  const hadal_executor table = {.struct_size = sizeof table,
                                .user_data = &crew,
                                .thread_count = crew_size,
                                .in_parallel = crew_inside,
                                .parallel_for = crew_run};
  hadal_config* config = caller_only();
  MUST(hadal_config_set_executor(config, &table, error));
  EXPECT(scenario(config, path) == HADAL_DONE);
  EXPECT(crew.n_loops > 0 && crew.n_tasks > crew.n_loops);
  hadal_config_free(config);
}

/* ---- Log ------------------------------------------------------------------------------------- */

struct journal {
  atomic_int n_records, n_destroyed, most_talkative;
};

static void journal_write(void* user_data, int32_t level, const char* category, const char* text,
                          size_t text_size) {
  struct journal* journal = user_data;
  EXPECT(category && category[0] && text_size > 0 && text[text_size - 1] != '\n');
  ++journal->n_records;
  if (level > journal->most_talkative) journal->most_talkative = level;
}

static void journal_destroy(void* user_data) { ++((struct journal*)user_data)->n_destroyed; }

static void test_log(const char* path) {
  struct journal journal = {0};
  hadal_log_sink table = {.struct_size = sizeof table,
                          .level = HADAL_LOG_INFO,
                          .user_data = &journal,
                          .destroy = journal_destroy,
                          .write = journal_write};
  hadal_config* config = caller_only();
  MUST(hadal_config_set_log_sink(config, &table, error));
  EXPECT(scenario(config, path) == HADAL_DONE);
  EXPECT(journal.n_records > 0 && journal.most_talkative <= HADAL_LOG_INFO);
  hadal_config_free(config);
  EXPECT(journal.n_destroyed == 1);
}

/* ---- Tables of other versions ---------------------------------------------------------------- */

static void test_sizes_of_tables(void) {
  struct heap heap = {0};
  struct {
    hadal_allocator known;
    void (*unknown)(void);
  } longer;
  hadal_config* config = caller_only();
  memset(&longer, 0, sizeof longer);
  longer.known = heap_table(&heap);
  longer.known.struct_size = sizeof longer;
  MUST(hadal_config_set_allocator(config, &longer.known, error));
  memset(&longer.unknown, 1, sizeof longer.unknown);
  FAILS(HADAL_E_VERSION, hadal_config_set_allocator(config, &longer.known, error));
  hadal_allocator lacking = heap_table(&heap);
  lacking.release = NULL;
  FAILS(HADAL_E_INVALID_ARGUMENT, hadal_config_set_allocator(config, &lacking, error));
  lacking = heap_table(&heap);
  lacking.struct_size = (uint32_t)offsetof(hadal_allocator, release);
  FAILS(HADAL_E_INVALID_ARGUMENT, hadal_config_set_allocator(config, &lacking, error));
  EXPECT(heap.n_destroyed == 0);
  hadal_config_free(config);
  EXPECT(heap.n_destroyed == 1);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  test_allocator(argv[1]);
  test_io(argv[1]);
  test_executor(argv[1]);
  test_log(argv[1]);
  test_sizes_of_tables();
  return test_result();
}
