/* Conversions through the C interface: planned, written, stepped, cancelled, refused; and through
 * the files of a host, whose disk may be full. Usage: convert_test MODEL */
#include <unistd.h>

#include "support.h"

static char folder[64];
static char path_buffer[4][128];

/* A path in a folder of our own; four of them live at a time. */
static const char* in_folder(const char* name) {
  static int next;
  char* path = path_buffer[next++ % 4];
  snprintf(path, sizeof path_buffer[0], "%s/%s", folder, name);
  return path;
}

static int is_there(const char* path) { return access(path, F_OK) == 0; }

static hadal_config* config_type(const char* type) {
  hadal_config* config = NULL;
  MUST(hadal_config_create(&config, error));
  MUST(hadal_config_set_str(config, HADAL_OPT_CONVERT_TYPE, type, strlen(type), error));
  return config;
}

static hadal_request* start(hadal_runtime* runtime, const char* from, const char* to,
                            const hadal_config* config) {
  hadal_request* request = NULL;
  MUST(hadal_convert(runtime, from, strlen(from), to, strlen(to), config, &request, error));
  return request;
}

static hadal_status convert(hadal_runtime* runtime, const char* from, const char* to,
                            const hadal_config* config) {
  hadal_request* request = start(runtime, from, to, config);
  const hadal_status status = run_to_end(request);
  hadal_request_free(request);
  return status;
}

/* The plan says what is then written, and what is written can be loaded and runs. */
static void test_plan_and_write(hadal_runtime* runtime, const char* model) {
  const char* const to = in_folder("half.gguf");
  hadal_config* bf16 = config_type("bf16");
  hadal_convert_sizes sizes = {.struct_size = sizeof sizes};
  MUST(hadal_convert_plan(runtime, model, strlen(model), to, strlen(to), bf16, &sizes, error));
  EXPECT(!is_there(to));
  EXPECT(sizes.files == 1 && sizes.tensors > 20 && sizes.encoded_tensors > 10);
  EXPECT(sizes.requantised_tensors == 0 && sizes.substituted_tensors == 0);
  EXPECT(sizes.read_bytes > sizes.write_bytes && sizes.free_bytes > sizes.write_bytes);
  EXPECT(sizes.largest_file_bytes == sizes.write_bytes && sizes.work_bytes > 0);

  hadal_request* request = start(runtime, model, to, bf16);
  hadal_event event = {.struct_size = sizeof event};
  double progress = -1.0;
  hadal_status status;
  while ((status = hadal_request_wait(request, UINT64_MAX, NULL)) == HADAL_EVENT) {
    while (hadal_request_poll(request, &event, NULL) == HADAL_EVENT) {
      EXPECT(event.kind == HADAL_EVENT_PROGRESS && event.progress > progress);
      progress = event.progress;
    }
  }
  EXPECT(status == HADAL_DONE && progress == 1.0);
  hadal_stats stats = {.struct_size = sizeof stats};
  MUST(hadal_request_stats(request, &stats, error));
  EXPECT(stats.read_bytes == sizes.read_bytes);
  hadal_model* taken = NULL;
  FAILS(HADAL_E_INVALID_ARGUMENT, hadal_request_take_model(request, &taken, error));
  hadal_request_free(request);

  FILE* written = fopen(to, "rb");
  EXPECT(written && fseek(written, 0, SEEK_END) == 0);
  EXPECT(written && (uint64_t)ftell(written) == sizes.write_bytes);
  if (written) fclose(written);
  struct walk walk;
  int32_t tokens[3];
  walk_begin(&walk, to, 0, 1);
  hadal_session* session = new_session(walk.model, "Once");
  EXPECT(generate_tokens(session, walk.sampler, 3, tokens) == 3);
  hadal_session_free(session);
  walk_end(&walk);

  /* What is there stays, unless it may be replaced. */
  EXPECT(convert(runtime, model, to, NULL) == HADAL_E_INVALID_ARGUMENT);
  MUST(hadal_config_set_i64(bf16, HADAL_OPT_CONVERT_OVERWRITE, 1, error));
  EXPECT(convert(runtime, model, to, bf16) == HADAL_DONE);
  hadal_config_free(bf16);
  remove(to);
}

/* Nothing is left of one that was cancelled or freed on the way. */
static void test_cancel(const char* model) {
  const char* const to = in_folder("cancelled.gguf");
  const char* const part = in_folder("cancelled.gguf.part");
  hadal_runtime* runtime = NULL;
  hadal_config* alone = config_i64(HADAL_OPT_THREADS, 0);
  MUST(hadal_runtime_create(alone, &runtime, error));
  hadal_config_free(alone);
  for (int freed = 0; freed < 2; ++freed) {
    hadal_request* request = start(runtime, model, to, NULL);
    hadal_event event = {.struct_size = sizeof event};
    for (int i = 0; i < 8; ++i) {
      hadal_status status = hadal_request_step(request, 0, NULL);
      while (status == HADAL_EVENT) {
        hadal_request_poll(request, &event, NULL);
        status = hadal_request_poll(request, &event, NULL);
      }
      EXPECT(status == HADAL_PENDING);
    }
    EXPECT(is_there(part) && !is_there(to));
    if (!freed) {
      hadal_request_cancel(request);
      EXPECT(run_to_end(request) == HADAL_E_CANCELLED);
      EXPECT(!is_there(part));
    }
    hadal_request_free(request);
    EXPECT(!is_there(part) && !is_there(to));
  }
  hadal_runtime_free(runtime);
}

static void refuse(hadal_runtime* runtime, const char* model, int32_t key, const char* text,
                   hadal_status wanted) {
  const char* const to = in_folder("refused.gguf");
  hadal_config* config = NULL;
  hadal_request* request = NULL;
  MUST(hadal_config_create(&config, error));
  MUST(hadal_config_set_str(config, key, text, strlen(text), error));
  FAILS(wanted,
        hadal_convert(runtime, model, strlen(model), to, strlen(to), config, &request, error));
  hadal_config_free(config);
}

static void test_options(hadal_runtime* runtime, const char* model) {
  refuse(runtime, model, HADAL_OPT_CONVERT_TYPE, "q9", HADAL_E_OUT_OF_RANGE);
  refuse(runtime, model, HADAL_OPT_CONVERT_FORMAT, "onnx", HADAL_E_OUT_OF_RANGE);
  refuse(runtime, model, HADAL_OPT_CONVERT_RULES, "attn", HADAL_E_OUT_OF_RANGE);
  refuse(runtime, model, HADAL_OPT_CONVERT_MTP, "maybe", HADAL_E_OUT_OF_RANGE);
  refuse(runtime, model, HADAL_OPT_CONVERT_KV_B, "both", HADAL_E_OUT_OF_RANGE);
  refuse(runtime, model, HADAL_OPT_CONVERT_IMATRIX, in_folder("none.dat"), ANY_ERROR);
  refuse(runtime, model, HADAL_OPT_BACKEND, "cpu", HADAL_E_UNKNOWN_OPTION);

  /* Limits on input are for conversions, too. */
  const char* const to = in_folder("limited.gguf");
  hadal_convert_sizes sizes = {.struct_size = sizeof sizes};
  hadal_config* few = config_i64(HADAL_OPT_LIMIT_TENSORS, 3);
  FAILS(HADAL_E_LIMIT,
        hadal_convert_plan(runtime, model, strlen(model), to, strlen(to), few, &sizes, error));
  hadal_config_free(few);
  hadal_config* limit = config_i64(HADAL_OPT_LIMIT_MESSAGES, 3); /* of a session */
  FAILS(HADAL_E_UNKNOWN_OPTION,
        hadal_convert_plan(runtime, model, strlen(model), to, strlen(to), limit, &sizes, error));
  hadal_config_free(limit);
}

/* ---- A disk in memory ------------------------------------------------------------------------ */

enum { kFiles = 8 };
struct disk {
  struct disk_file {
    char name[64];
    unsigned char* bytes;
    size_t size;
  } files[kFiles];
  size_t capacity; /* of all files together */
  int n_open;
};

static struct disk_file* find(struct disk* disk, const char* path, size_t path_size) {
  for (int i = 0; i < kFiles; ++i) {
    struct disk_file* file = &disk->files[i];
    if (strlen(file->name) == path_size && memcmp(file->name, path, path_size) == 0) return file;
  }
  return NULL;
}

static void clear(struct disk_file* file) {
  free(file->bytes);
  memset(file, 0, sizeof *file);
}

static int32_t disk_open(void* user_data, const char* path, size_t path_size, int32_t mode,
                         void** out) {
  struct disk* disk = user_data;
  if (path_size == 0) return HADAL_E_NOT_FOUND;
  struct disk_file* file = find(disk, path, path_size);
  if (mode == HADAL_IO_WRITE && !file) file = find(disk, "", 0);
  if (!file) return mode == HADAL_IO_WRITE ? HADAL_E_NO_SPACE : HADAL_E_NOT_FOUND;
  if (mode == HADAL_IO_WRITE) {
    clear(file);
    memcpy(file->name, path, path_size);
  }
  ++disk->n_open;
  *out = file;
  return HADAL_OK;
}

static int32_t disk_size(void* user_data, void* file, uint64_t* bytes) {
  (void)user_data;
  *bytes = ((struct disk_file*)file)->size;
  return HADAL_OK;
}

static int32_t disk_read_at(void* user_data, void* handle, uint64_t at, void* to, size_t n,
                            size_t* done) {
  const struct disk_file* file = handle;
  (void)user_data;
  const size_t left = at < file->size ? file->size - (size_t)at : 0;
  *done = left < n ? left : n;
  if (*done) memcpy(to, file->bytes + at, *done);
  return HADAL_OK;
}

static int32_t disk_write_at(void* user_data, void* handle, uint64_t at, const void* from, size_t n,
                             size_t* done) {
  struct disk* disk = user_data;
  struct disk_file* file = handle;
  size_t used = 0;
  for (int i = 0; i < kFiles; ++i) used += disk->files[i].size;
  if (at + n > file->size) {
    if (used + ((size_t)at + n - file->size) > disk->capacity) return HADAL_E_NO_SPACE;
    unsigned char* bytes = realloc(file->bytes, (size_t)at + n);
    if (!bytes) exit(2);
    file->bytes = bytes;
    file->size = (size_t)at + n;
  }
  memcpy(file->bytes + at, from, n);
  *done = n;
  return HADAL_OK;
}

static int32_t disk_sync(void* user_data, void* file) { return (void)user_data, (void)file, 0; }
static void disk_close(void* user_data, void* file) {
  (void)file;
  --((struct disk*)user_data)->n_open;
}

static int32_t disk_replace(void* user_data, const char* from, size_t from_size, const char* to,
                            size_t to_size) {
  struct disk_file* source = find(user_data, from, from_size);
  struct disk_file* target = find(user_data, to, to_size);
  if (!source) return HADAL_E_NOT_FOUND;
  if (target) clear(target);
  memset(source->name, 0, sizeof source->name);
  memcpy(source->name, to, to_size);
  return HADAL_OK;
}

static int32_t disk_remove(void* user_data, const char* path, size_t path_size) {
  struct disk_file* file = find(user_data, path, path_size);
  if (!file) return HADAL_E_NOT_FOUND;
  clear(file);
  return HADAL_OK;
}

static int n_files(const struct disk* disk) {
  int n = 0;
  for (int i = 0; i < kFiles; ++i) n += disk->files[i].name[0] != 0;
  return n;
}

static void read_whole(const char* path, struct disk_file* file) {
  FILE* in = fopen(path, "rb");
  if (!in) exit(2);
  fseek(in, 0, SEEK_END);
  file->size = (size_t)ftell(in);
  rewind(in);
  file->bytes = malloc(file->size);
  if (!file->bytes || fread(file->bytes, 1, file->size, in) != file->size) exit(2);
  fclose(in);
}

static void test_host_files(const char* model) {
  struct disk disk = {.capacity = SIZE_MAX};
  hadal_io table = {.struct_size = sizeof table,
                    .user_data = &disk,
                    .open = disk_open,
                    .size = disk_size,
                    .read_at = disk_read_at,
                    .write_at = disk_write_at,
                    .sync = disk_sync,
                    .close = disk_close,
                    .replace = disk_replace,
                    .remove = disk_remove};
  hadal_config* config = config_i64(HADAL_OPT_THREADS, 0);
  hadal_runtime* runtime = NULL;
  hadal_config* few = config_i64(HADAL_OPT_CONVERT_SPLIT_TENSORS, 30);
  strcpy(disk.files[0].name, "in.gguf");
  read_whole(model, &disk.files[0]);
  MUST(hadal_config_set_io(config, &table, error));
  MUST(hadal_runtime_create(config, &runtime, error));
  disk.capacity = disk.files[0].size * 3 / 2;
  EXPECT(convert(runtime, "in.gguf", "out.gguf", few) == HADAL_E_NO_SPACE);
  EXPECT(n_files(&disk) == 1 && disk.n_open == 0);
  disk.capacity = SIZE_MAX;
  EXPECT(convert(runtime, "in.gguf", "out.gguf", few) == HADAL_DONE);
  EXPECT(n_files(&disk) == 3 && disk.n_open == 0);
  EXPECT(find(&disk, "out-00002-of-00002.gguf", 23) != NULL);
  EXPECT(convert(runtime, "out-00001-of-00002.gguf", "again.gguf", NULL) == HADAL_DONE);
  const struct disk_file* again = find(&disk, "again.gguf", 10);
  EXPECT(again && again->size == disk.files[0].size &&
         memcmp(again->bytes, disk.files[0].bytes, again->size) == 0);
  hadal_runtime_free(runtime);

  /* A table that can only read. */
  table.write_at = NULL;
  MUST(hadal_config_set_io(config, &table, error));
  MUST(hadal_runtime_create(config, &runtime, error));
  EXPECT(convert(runtime, "in.gguf", "more.gguf", NULL) == HADAL_E_UNSUPPORTED);
  EXPECT(n_files(&disk) == 4);
  hadal_runtime_free(runtime);
  hadal_config_free(few);
  hadal_config_free(config);
  for (int i = 0; i < kFiles; ++i) clear(&disk.files[i]);
}

int main(int argc, char** argv) {
  hadal_runtime* runtime = NULL;
  if (argc != 2) return 2;
  strcpy(folder, "/tmp/hadal_convert_test_XXXXXX");
  if (!mkdtemp(folder)) return 2;
  MUST(hadal_runtime_create(NULL, &runtime, error));
  test_plan_and_write(runtime, argv[1]);
  test_options(runtime, argv[1]);
  hadal_runtime_free(runtime);
  test_cancel(argv[1]);
  test_host_files(argv[1]);
  EXPECT(rmdir(folder) == 0); /* nothing is left */
  return test_result();
}
