// Four walks, loading a model, using a loaded one, converting it and checking its files, in which
// each allocation of a small object (of the last: one of many) fails, one after the other: once,
// and from then on. Every call answers E_NO_MEMORY or succeeds, nothing ends the process, and all
// can be freed afterwards. Usage: no_memory_test MODEL
#include <hadal/hadal.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace {

// How many allocations succeed until some fail; never below 0.
std::atomic<int64_t> n_left{INT64_MAX};
std::atomic<bool> goes_on{false};  // all that follow fail, not only the one
std::atomic<int64_t> n_live{0};

void* allocate(size_t size) {
  const int64_t left = n_left.fetch_sub(1);
  if (left <= 0 && (left == 0 || goes_on)) return nullptr;
  ++n_live;
  return std::malloc(size != 0 ? size : 1);
}

}  // namespace

// The library's come here too: a program's own operator new takes the place of the runtime's.
void* operator new(size_t size) {
  void* memory = allocate(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new(size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new[](size_t size) { return operator new(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* memory) noexcept {
  if (memory != nullptr) --n_live;
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept { operator delete(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { operator delete(memory); }
void operator delete[](void* memory) noexcept { operator delete(memory); }
void operator delete[](void* memory, size_t) noexcept { operator delete(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { operator delete(memory); }

namespace {

int n_failures = 0;

void expect(bool fact, const char* what, int64_t at) {
  if (fact) return;
  ++n_failures;
  std::fprintf(stderr, "allocation %lld%s: %s\n", static_cast<long long>(at),
               goes_on ? " and all that follow" : "", what);
}

struct Walk {
  hadal_runtime* runtime;
  hadal_model* model;
  hadal_tokenizer* tokenizer = nullptr;
  hadal_sampler* sampler = nullptr;
  hadal_session* session = nullptr;
  hadal_session* fork = nullptr;
  hadal_config* limit = nullptr;
  hadal_request* prefill = nullptr;
  hadal_request* answer = nullptr;
  std::vector<int32_t> announced{};
  uint64_t n_prompt = 0;

  // Up to the first call that fails; its status.
  hadal_status run() {
    hadal_status status = hadal_model_tokenizer(model, &tokenizer, nullptr);
    const auto next = [&](auto&& call) {
      if (status == HADAL_OK) status = call();
    };
    next([&] { return hadal_sampler_create(runtime, nullptr, &sampler, nullptr); });
    next([&] { return hadal_session_create(model, nullptr, &session, nullptr); });
    next([&] { return hadal_session_add_message(session, "user", 4, "Once", 4, nullptr); });
    next([&] { return hadal_session_apply_chat(session, HADAL_CHAT_PROMPT, nullptr); });
    n_prompt = status == HADAL_OK ? hadal_session_length(session) : 0;
    next([&] { return hadal_session_prefill(session, nullptr, &prefill, nullptr); });
    next([&] { return to_end(prefill); });
    next([&] { return hadal_session_fork(session, &fork, nullptr); });
    next([&] { return hadal_config_create(&limit, nullptr); });
    next([&] { return hadal_config_set_i64(limit, HADAL_OPT_MAX_TOKENS, 3, nullptr); });
    next([&] { return hadal_session_generate(session, sampler, limit, &answer, nullptr); });
    next([&] { return to_end(answer); });
    return status;
  }

  hadal_status to_end(hadal_request* request) {
    hadal_event event = {};
    event.struct_size = sizeof event;
    for (;;) {
      const hadal_status status = hadal_request_wait(request, UINT64_MAX, nullptr);
      if (status != HADAL_EVENT) return status == HADAL_DONE ? HADAL_OK : status;
      const hadal_status polled = hadal_request_poll(request, &event, nullptr);
      if (polled < 0) return polled;
      if (event.kind == HADAL_EVENT_TOKEN) announced.push_back(event.token);
    }
  }

  // With memory again: a generate that ended early has left exactly what it announced, and a
  // session without a request is free.
  void look_again(int64_t at) {
    hadal_event event = {};
    event.struct_size = sizeof event;
    while (answer != nullptr && hadal_request_poll(answer, &event, nullptr) == HADAL_EVENT) {
      if (event.kind == HADAL_EVENT_TOKEN) announced.push_back(event.token);
    }
    hadal_request_free(answer);
    hadal_request_free(prefill);
    prefill = answer = nullptr;
    if (session == nullptr) return;
    std::vector<int32_t> tokens(1000);
    size_t n_tokens = 0;
    hadal_session_tokens(session, tokens.data(), tokens.size(), &n_tokens, nullptr);
    tokens.resize(n_tokens);
    if (n_prompt > 0) tokens.erase(tokens.begin(), tokens.begin() + static_cast<long>(n_prompt));
    expect(tokens == announced, "the session has other tokens than those announced", at);
    expect(hadal_session_rewind(session, 0, nullptr) == HADAL_OK, "the session is not free", at);
  }

  void free_all() {
    hadal_request_free(answer);
    hadal_request_free(prefill);
    hadal_config_free(limit);
    hadal_session_free(fork);
    hadal_session_free(session);
    hadal_sampler_free(sampler);
    hadal_tokenizer_free(tokenizer);
  }
};

// Fails allocation `at` of the walk. False once the walk has no such allocation.
bool fail_at(int64_t at, hadal_runtime* runtime, hadal_model* model) {
  Walk walk = {runtime, model};
  walk.announced.reserve(100);
  n_left = at;
  const hadal_status status = walk.run();
  const bool failed = n_left < 0;
  if (goes_on) {
    walk.free_all();  // while there is still none
    n_left = INT64_MAX;
  } else {
    n_left = INT64_MAX;
    walk.look_again(at);
    walk.free_all();
  }
  expect(status == HADAL_OK || status == HADAL_E_NO_MEMORY, hadal_status_name(status), at);
  return failed;
}

// The same for making a runtime and loading with it.
bool fail_load_at(int64_t at, const hadal_config* config, const char* path) {
  Walk walk = {nullptr, nullptr};
  hadal_request* load = nullptr;
  n_left = at;
  hadal_status status = hadal_runtime_create(config, &walk.runtime, nullptr);
  if (status == HADAL_OK) {
    status = hadal_model_load(walk.runtime, path, std::strlen(path), nullptr, &load, nullptr);
  }
  if (status == HADAL_OK) status = walk.to_end(load);
  if (status == HADAL_OK) status = hadal_request_take_model(load, &walk.model, nullptr);
  const bool failed = n_left < 0;
  if (!goes_on) n_left = INT64_MAX;
  hadal_request_free(load);
  hadal_model_free(walk.model);
  hadal_runtime_free(walk.runtime);
  n_left = INT64_MAX;
  expect(status == HADAL_OK || status == HADAL_E_NO_MEMORY, hadal_status_name(status), at);
  return failed;
}

// Reads files of the system, and writes to nowhere; counts what is made and what becomes of it.
struct Disk {
  int n_made = 0, n_placed = 0, n_removed = 0;
  int written = 0;  // what a file to be written is known by

  static int32_t open(void* user_data, const char* path, size_t path_size, int32_t mode,
                      void** file) {
    auto* disk = static_cast<Disk*>(user_data);
    if (mode == HADAL_IO_WRITE) {
      ++disk->n_made;
      *file = &disk->written;
      return HADAL_OK;
    }
    char name[4096] = {};
    if (path_size >= sizeof name) return HADAL_E_IO;
    std::memcpy(name, path, path_size);
    FILE* const opened = std::fopen(name, "rb");
    if (opened == nullptr) return HADAL_E_NOT_FOUND;
    if (std::fseek(opened, 0, SEEK_END) != 0 || std::ftell(opened) > (1L << 40)) {
      std::fclose(opened);  // a directory
      return HADAL_E_UNSUPPORTED;
    }
    *file = opened;
    return HADAL_OK;
  }
  static int32_t size(void*, void* file, uint64_t* bytes) {
    auto* opened = static_cast<FILE*>(file);
    std::fseek(opened, 0, SEEK_END);
    *bytes = static_cast<uint64_t>(std::ftell(opened));
    return HADAL_OK;
  }
  static int32_t read_at(void*, void* file, uint64_t at, void* to, size_t n, size_t* done) {
    auto* opened = static_cast<FILE*>(file);
    std::fseek(opened, static_cast<long>(at), SEEK_SET);
    *done = std::fread(to, 1, n, opened);
    return HADAL_OK;
  }
  static int32_t write_at(void*, void*, uint64_t, const void*, size_t n, size_t* done) {
    *done = n;
    return HADAL_OK;
  }
  static int32_t sync(void*, void*) { return HADAL_OK; }
  static void close(void* user_data, void* file) {
    if (file != &static_cast<Disk*>(user_data)->written) std::fclose(static_cast<FILE*>(file));
  }
  static int32_t replace(void* user_data, const char*, size_t, const char*, size_t) {
    ++static_cast<Disk*>(user_data)->n_placed;
    return HADAL_OK;
  }
  static int32_t remove(void* user_data, const char*, size_t) {
    ++static_cast<Disk*>(user_data)->n_removed;
    return HADAL_OK;
  }
};

// The same for writing a set of files. None that was begun may stay, not even without memory.
bool fail_convert_at(int64_t at, const hadal_config* config, const hadal_config* split, Disk* disk,
                     const char* path) {
  Walk walk = {nullptr, nullptr};
  hadal_request* convert = nullptr;
  *disk = Disk();
  n_left = at;
  hadal_status status = hadal_runtime_create(config, &walk.runtime, nullptr);
  if (status == HADAL_OK) {
    status = hadal_convert(walk.runtime, path, std::strlen(path), "out.gguf", 8, split, &convert,
                           nullptr);
  }
  if (status == HADAL_OK) status = walk.to_end(convert);
  const bool failed = n_left < 0;
  if (!goes_on) n_left = INT64_MAX;
  hadal_request_free(convert);
  hadal_runtime_free(walk.runtime);
  n_left = INT64_MAX;
  expect(status == HADAL_OK || status == HADAL_E_NO_MEMORY, hadal_status_name(status), at);
  expect(disk->n_made == disk->n_placed + disk->n_removed, "a file was left behind", at);
  expect(status != HADAL_OK || disk->n_placed > 1, "no files were written", at);
  return failed;
}

void test_conversion(const char* path) {
  Disk disk;
  hadal_io io = {};
  io.struct_size = sizeof io;
  io.user_data = &disk;
  io.open = Disk::open;
  io.size = Disk::size;
  io.read_at = Disk::read_at;
  io.write_at = Disk::write_at;
  io.sync = Disk::sync;
  io.close = Disk::close;
  io.replace = Disk::replace;
  io.remove = Disk::remove;
  hadal_config *config = nullptr, *split = nullptr;
  hadal_config_create(&config, nullptr);
  hadal_config_set_i64(config, HADAL_OPT_THREADS, 0, nullptr);
  hadal_config_set_io(config, &io, nullptr);
  hadal_config_create(&split, nullptr);
  hadal_config_set_i64(split, HADAL_OPT_CONVERT_SPLIT_TENSORS, 20, nullptr);
  for (const bool all : {false, true}) {
    goes_on = all;
    int64_t at = 0;
    while (n_failures < 20 && fail_convert_at(at, config, split, &disk, path)) ++at;
    expect(at > 500, "a conversion has fewer allocations than it should", at);
    std::printf("%lld allocations of a conversion, %s\n", static_cast<long long>(at),
                all ? "all from there on" : "one at a time");
  }
  hadal_config_free(split);
  hadal_config_free(config);
}

// The same for checking the files.
bool fail_verify_at(int64_t at, hadal_runtime* runtime, const char* path) {
  Walk walk = {runtime, nullptr};
  hadal_request* verify = nullptr;
  n_left = at;
  hadal_status status =
      hadal_model_verify(runtime, path, std::strlen(path), nullptr, &verify, nullptr);
  if (status == HADAL_OK) status = walk.to_end(verify);
  const bool failed = n_left < 0;
  if (!goes_on) n_left = INT64_MAX;
  hadal_request_free(verify);
  n_left = INT64_MAX;
  expect(status == HADAL_OK || status == HADAL_E_NO_MEMORY, hadal_status_name(status), at);
  return failed;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  for (const int64_t threads : {0, 1}) {
    const int64_t live_before = n_live;
    hadal_config* config = nullptr;
    hadal_runtime* runtime = nullptr;
    hadal_model* model = nullptr;
    hadal_request* load = nullptr;
    hadal_config_create(&config, nullptr);
    hadal_config_set_i64(config, HADAL_OPT_THREADS, threads, nullptr);
    hadal_runtime_create(config, &runtime, nullptr);
    hadal_model_load(runtime, argv[1], std::strlen(argv[1]), nullptr, &load, nullptr);
    Walk warm = {runtime, nullptr};
    expect(warm.to_end(load) == HADAL_OK, "loading", 0);
    expect(hadal_request_take_model(load, &model, nullptr) == HADAL_OK, "loading", 0);
    fail_at(INT64_MAX / 2, runtime, model);  // what a model makes once, it has made then
    for (const bool all : {false, true}) {
      goes_on = all;
      int64_t at = 0;
      while (n_failures < 20 && fail_at(at, runtime, model)) ++at;
      expect(at > 100, "the walk has fewer allocations than it should", at);
      std::printf("%lld allocations, %s, threads %lld\n", static_cast<long long>(at),
                  all ? "all from there on" : "one at a time", static_cast<long long>(threads));
    }
    hadal_request_free(load);
    hadal_model_free(model);
    for (const bool all : {false, true}) {
      goes_on = all;
      int64_t at = 0;
      while (n_failures < 20 && fail_verify_at(at, runtime, argv[1])) at += 1 + at / 32;
      expect(at > 10000, "checking has fewer allocations than it should", at);
      std::printf("%lld allocations of a check, %s, threads %lld\n", static_cast<long long>(at),
                  all ? "all from there on" : "one at a time", static_cast<long long>(threads));
    }
    hadal_runtime_free(runtime);
    for (const bool all : {false, true}) {
      goes_on = all;
      int64_t at = 0;
      while (n_failures < 20 && fail_load_at(at, config, argv[1])) ++at;
      expect(at > 1000, "loading has fewer allocations than it should", at);
      std::printf("%lld allocations of a load, %s, threads %lld\n", static_cast<long long>(at),
                  all ? "all from there on" : "one at a time", static_cast<long long>(threads));
    }
    hadal_config_free(config);
    expect(n_live == live_before, "something was not given back", 0);
  }
  const int64_t live_before = n_live;
  test_conversion(argv[1]);
  expect(n_live == live_before, "something was not given back", 0);
  return n_failures == 0 ? 0 : 1;
}
