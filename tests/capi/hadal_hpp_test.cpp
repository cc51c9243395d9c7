// Walks through hadal.hpp as a C++ user does; built with exceptions and without, from one source.
// Usage: hadal_hpp_test MODEL
#include <hadal/hadal.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

int failures = 0;

void expect(bool fact, const char* text, int line) {
  if (fact) return;
  ++failures;
  std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, line, text);
}
#define EXPECT(fact) expect((fact), #fact, __LINE__)

// take() gives the value that must be there; code_of() the code of the failure, 0 without one.
#ifdef HADAL_NO_EXCEPTIONS
template <class T>
T take(hadal::Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n%s\n", result.error().what(), result.error().hint());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
template <class Call>
hadal_status code_of(Call&& call) {
  const auto result = call();
  return result.ok() ? HADAL_OK : result.error().code();
}
#else
template <class T>
T take(T value) {
  return value;
}
template <class Call>
hadal_status code_of(Call&& call) {
  try {
    static_cast<void>(call());
  } catch (const hadal::Error& error) {
    return error.code();
  }
  return HADAL_OK;
}
#endif
// Statements that return nothing to take.
template <class Call>
void must(Call&& call) {
  EXPECT(code_of(call) == HADAL_OK);
}

hadal::Config max_tokens(int n) {
  hadal::Config config;
  must([&] { return config.set("max_tokens", n); });
  return config;
}

std::vector<int32_t> tokens_of(hadal::Request& request) {
  std::vector<int32_t> tokens;
  for (const hadal::Event& event : request) {
    if (event.kind() == HADAL_EVENT_TOKEN) tokens.push_back(event.token());
  }
  return tokens;
}

void test_library_and_options() {
  EXPECT(hadal::abi_version() == HADAL_ABI_VERSION);
  EXPECT(hadal::build_info().front() == '{');
  EXPECT(hadal::status_name(HADAL_E_IO) == "E_IO");
  EXPECT(take(hadal::option_find("top_k")) == HADAL_OPT_TOP_K);
  EXPECT(std::string(take(hadal::option_describe(HADAL_OPT_TOP_K)).name) == "top_k");
  hadal::Config config;
  EXPECT(!config);
  must([&] { return config.set("temperature", 1); });  // an integer for an f64 option
  must([&] { return config.set("temperature", 0.5f); });
  must([&] { return config.set("backend", "cpu"); });
  must([&] { return config.set(HADAL_OPT_STOP, std::string("\n\n")); });
  must([&] { return config.set_i64(HADAL_OPT_TOP_K, 40); });
  must([&] { return config.set_f64(HADAL_OPT_TOP_P, 0.9); });
  must([&] { return config.set_str(HADAL_OPT_STOP, "x"); });
  EXPECT(static_cast<bool>(config));
  EXPECT(code_of([&] { return config.set("no_such_option", 1); }) == HADAL_E_NOT_FOUND);
  EXPECT(code_of([&] { return config.set("top_p", 7.0); }) == HADAL_E_OUT_OF_RANGE);
}

struct Host {
  int n_records = 0;
  int n_destroyed = 0;
};

// A host's tables reach the library, and each is destroyed once.
void test_host_tables(const char* path) {
  Host host;
  hadal_allocator memory{};
  memory.struct_size = sizeof memory;
  memory.user_data = &host;
  memory.destroy = [](void* user_data) { ++static_cast<Host*>(user_data)->n_destroyed; };
  memory.allocate = [](void*, size_t size, size_t align, int32_t) {
    return std::aligned_alloc(align, (size + align) / align * align);
  };
  memory.release = [](void*, void* ptr, size_t, size_t, int32_t) { std::free(ptr); };
  hadal_executor threads{};
  threads.struct_size = sizeof threads;
  threads.thread_count = [](void*) { return 1; };
  threads.parallel_for = [](void*, size_t n, void (*task)(void*, size_t), void* arg) {
    for (size_t i = 0; i < n; ++i) task(arg, i);
  };
  hadal_io files{};
  files.struct_size = sizeof files;
  files.open = [](void*, const char*, size_t, int32_t, void**) -> int32_t { return HADAL_E_IO; };
  files.size = [](void*, void*, uint64_t*) -> int32_t { return HADAL_E_IO; };
  files.read_at = [](void*, void*, uint64_t, void*, size_t, size_t*) -> int32_t {
    return HADAL_E_IO;
  };
  files.close = [](void*, void*) {};
  hadal_log_sink log{};
  log.struct_size = sizeof log;
  log.level = HADAL_LOG_ERROR;
  log.write = [](void*, int32_t, const char*, const char*, size_t) {};
  {
    hadal::Config config;
    must([&] { return config.set_allocator(memory); });
    must([&] { return config.set_executor(threads); });
    must([&] { return config.set_io(files); });
    must([&] { return config.set_log_sink(log); });
    must([&] { return config.set("threads", 0); });
    hadal::Runtime runtime = take(hadal::Runtime::create(config));
    EXPECT(code_of([&] { return runtime.load_model(path); }) == HADAL_E_IO);
  }
  EXPECT(host.n_destroyed == 1);
  {
    hadal::Config config;
    must([&] {
      return config.set_log_sink(HADAL_LOG_TRACE,
                                 [&host](int32_t, std::string_view, std::string_view text) {
                                   if (!text.empty()) ++host.n_records;
                                 });
    });
    must([&] { return config.set("threads", 0); });
    hadal::Runtime runtime = take(hadal::Runtime::create(config));
    hadal::Model model = take(runtime.load_model(path));
    EXPECT(static_cast<bool>(model));
  }
  EXPECT(host.n_records > 0);
}

void test_errors(const hadal::Runtime& runtime) {
#ifdef HADAL_NO_EXCEPTIONS
  const auto result = runtime.load_model("no/such/file");
  EXPECT(!result.ok());
  const hadal::Error& error = result.error();
#else
  hadal::Error error(nullptr);
  try {
    static_cast<void>(runtime.load_model("no/such/file"));
  } catch (const hadal::Error& caught) {
    error = caught;
  }
#endif
  EXPECT(error.code() == HADAL_E_NOT_FOUND && std::string(error.name()) == "E_NOT_FOUND");
  EXPECT(std::string(error.what()).find("no/such/file") != std::string::npos);
  EXPECT(error.hint()[0] != '\0' && error.os_error() != 0 && !error.retry());
}

void test_session(const hadal::Runtime& runtime, const hadal::Model& model) {
  EXPECT(model.metadata("general.architecture") == "deepseek2");
  EXPECT(!model.metadata("no.such.key"));
  hadal::Tokenizer tokenizer = take(model.tokenizer());
  const std::vector<int32_t> ids = take(tokenizer.encode("Once upon a time", HADAL_TEXT_BOS));
  EXPECT(take(tokenizer.decode(ids)) == "Once upon a time");
  EXPECT(take(tokenizer.encode("")).empty());

  hadal::Session session = take(model.create_session());
  must([&] { return session.append_tokens(ids); });
  EXPECT(session.length() == ids.size() && take(session.tokens()) == ids);
  hadal::Request prefill = take(session.prefill());
  must([&] { return prefill.finish(); });
  const std::vector<float> logits = take(session.logits());
  std::vector<float> copy(logits.size());
  EXPECT(take(session.logits(copy.data(), copy.size())) == logits.size() && copy == logits);

  hadal::Config keep;
  must([&] { return keep.set("keep_logits", 1); });
  hadal::Session kept = take(model.create_session());
  must([&] { return kept.append_tokens(ids); });
  hadal::Request keeping = take(kept.prefill(keep));
  must([&] { return keeping.finish(); });
  EXPECT(take(keeping.logits(ids.size() - 1)) == logits);
  EXPECT(take(keeping.logits(0, copy.data(), copy.size())) == copy.size() && copy != logits);

  hadal::Config greedy;
  must([&] { return greedy.set("temperature", 0); });
  hadal::Sampler sampler = take(runtime.create_sampler(greedy));
  const int32_t best = take(sampler.pick(logits, 0));
  EXPECT(best == take(sampler.pick(session.get(), logits.data(), logits.size(), 0)));

  hadal::Session fork = take(session.fork());
  must([&] { return fork.rewind(1); });
  EXPECT(fork.length() == 1 && session.length() == ids.size());

  hadal::Config few = max_tokens(4);
  must([&] { return few.set("logprobs", 3); });
  hadal::Request answer = take(session.generate(sampler, few));
  const std::vector<int32_t> tokens = tokens_of(answer);
  EXPECT(!tokens.empty() && tokens.front() == best);
  EXPECT(take(answer.wait()) == HADAL_DONE);
  const std::vector<hadal::TokenLogprob> top = take(answer.logprobs(ids.size(), 3));
  EXPECT(top.size() == 3 && top[0].token == best && top[0].logprob >= top[1].logprob);
  EXPECT(take(answer.logprobs(ids.size(), 0)).empty());
  EXPECT(take(answer.stats()).generated_tokens == tokens.size());
  EXPECT(take(runtime.stats()).generated_tokens >= tokens.size());

  // By steps of a frame, with polling.
  must([&] { return session.rewind(ids.size()); });
  hadal::Request stepped = take(session.generate(sampler, few));
  std::string text;
  hadal::Event event;
  while (take(stepped.step(std::chrono::milliseconds(2))) != HADAL_DONE) {
    while (take(stepped.poll(event)) == HADAL_EVENT) text += event.text();
  }
  while (take(stepped.poll(event)) == HADAL_EVENT) text += event.text();
  EXPECT(!text.empty());
  EXPECT(take(stepped.wait(std::chrono::seconds(1))) == HADAL_DONE);

  // Through a callback, then one that stops after the first token.
  must([&] { return session.rewind(ids.size()); });
  std::vector<int32_t> heard;
  hadal::Request calling = take(session.generate(sampler, few));
  must([&] {
    return calling.set_callback([&heard](const hadal::Event& e) {
      if (e.kind() == HADAL_EVENT_TOKEN) heard.push_back(e.token());
      return HADAL_CONTINUE;
    });
  });
  must([&] { return calling.finish(); });
  EXPECT(heard == tokens);
  must([&] { return session.rewind(ids.size()); });
  hadal::Request stopping = take(session.generate(sampler, few));
  must([&] {
    return stopping.set_callback([](const hadal::Event& e) -> int32_t {
      return e.kind() == HADAL_EVENT_TOKEN ? HADAL_STOP : HADAL_CONTINUE;
    });
  });
  EXPECT(code_of([&] { return stopping.finish(); }) == HADAL_E_CANCELLED);
  EXPECT(session.length() == ids.size() + 1);

  hadal::Request cancelled = take(session.generate(sampler, few));
  cancelled.cancel();
  EXPECT(code_of([&] { return cancelled.wait(); }) == HADAL_E_CANCELLED);
}

void test_profile(const hadal::Runtime& runtime, const char* path) {
  hadal::Config config;
  must([&] { return config.set("profile", 1); });
  const hadal::Model model = take(runtime.load_model(path, config));
  EXPECT(model.profile().empty());
  hadal::Session session = take(model.create_session());
  for (uint64_t n_passes = 1; n_passes <= 2; ++n_passes) {
    must([&] { return session.append_tokens({5, 6, 7}); });
    hadal::Request prefill = take(session.prefill());
    must([&] { return prefill.finish(); });
    const std::vector<hadal::OpProfile> lines = model.profile();
    EXPECT(lines.size() > 8 && lines[0].name.substr(0, 6) == "embed ");
    EXPECT(lines[0].calls == n_passes && lines[0].ns > 0 && lines[0].bytes > 0);
    EXPECT(std::any_of(lines.begin(), lines.end(), [](const hadal::OpProfile& line) {
      return line.name.substr(0, 7) == "matmul " && line.multiplications > 0;
    }));
  }
}

void test_chat(const hadal::Model& model) {
  hadal::Config format;
  must([&] { return format.set("chat_format", "deepseek-v3"); });
  hadal::Session session = take(model.create_session(format));
  must([&] { return session.add_message("user", "Hi!"); });
  must([&] { return session.apply_chat(); });
  const uint64_t length = session.length();
  must([&] { return session.add_message_json(R"({"role": "assistant", "content": "Hello."})"); });
  must([&] { return session.apply_chat(0); });
  EXPECT(session.length() > length);
  must([&] { return session.clear_messages(); });
  must([&] { return session.append_text("More", 0); });
}

// To a place where nothing can be written, so that nothing is left behind.
void test_conversion(const hadal::Runtime& runtime, const char* path) {
  hadal::Config config;
  must([&] { return config.set("convert_type", "bf16"); });
  const hadal_convert_sizes sizes = take(runtime.convert_plan(path, "/no/such/out.gguf", config));
  EXPECT(sizes.files == 1 && sizes.encoded_tensors > 0);
  hadal::Request request = take(runtime.convert(path, "/no/such/out.gguf", config));
  hadal_status status = HADAL_PENDING;
  hadal::Event event;
  for (int i = 0; i < 1000 && status >= 0 && status != HADAL_DONE; ++i) {
    status = code_of([&] { return request.wait(std::chrono::seconds(10)); });
    if (status >= 0) must([&] { return request.poll(event); });
  }
  EXPECT(status == HADAL_E_IO);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  test_library_and_options();
  test_host_tables(argv[1]);
  hadal::Runtime runtime = take(hadal::Runtime::create());
  test_errors(runtime);
  EXPECT(take(runtime.plan(argv[1])).host_minimum > 0);
  hadal::Request load = take(runtime.load(argv[1]));
  double progress = 0;
  for (const hadal::Event& event : load) progress = event.progress();
  EXPECT(progress == 1.0);
  const hadal::Model model = take(load.take_model());
  test_session(runtime, model);
  EXPECT(model.profile().empty());
  test_profile(runtime, argv[1]);
  test_chat(model);
  test_conversion(runtime, argv[1]);
  if (failures) std::fprintf(stderr, "%d failures\n", failures);
  return failures != 0;
}
