// C++17 over the C functions of hadal.h, and nothing but those functions: a program built with this
// header runs with every later libhadal of the same soname. hadal.h is the manual; a method
// here is called like its C function less the object's name. Failures throw hadal::Error; without
// exceptions (-fno-exceptions, or HADAL_NO_EXCEPTIONS defined) the same functions return
// hadal::Result<T>. Owners are move-only and may be destroyed in any order.
#ifndef HADAL_HPP
#define HADAL_HPP

#include <hadal/hadal.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#if !defined(__cpp_exceptions) && !defined(HADAL_NO_EXCEPTIONS)
#define HADAL_NO_EXCEPTIONS 1
#endif

namespace hadal {

// Two names, so that both kinds of code can meet in one program.
#ifdef HADAL_NO_EXCEPTIONS
inline namespace abi_0_results {
#else
inline namespace abi_0 {
#endif

// ---- Failures ---------------------------------------------------------------------------------

// Why a call failed.
class Error : public std::exception {
 public:
  explicit Error(hadal_error* error) : error_(error, hadal_error_free) {}
  hadal_status code() const noexcept { return hadal_error_code(error_.get()); }
  const char* name() const noexcept { return hadal_status_name(code()); }
  const char* what() const noexcept override { return hadal_error_message(error_.get()); }
  const char* hint() const noexcept { return hadal_error_hint(error_.get()); }
  int32_t os_error() const noexcept { return hadal_error_errno(error_.get()); }
  bool retry() const noexcept { return hadal_error_retry(error_.get()) != 0; }

 private:
#ifdef HADAL_NO_EXCEPTIONS
  std::unique_ptr<hadal_error, void (*)(hadal_error*)> error_;
#else
  std::shared_ptr<hadal_error> error_;  // shared, because exceptions are copied
#endif
};

#ifdef HADAL_NO_EXCEPTIONS

// A T or an Error. Ask ok() before taking the value.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: a way in
  Result(Error error) : held_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: a way in
  bool ok() const noexcept { return held_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }
  T& operator*() & noexcept { return *std::get_if<0>(&held_); }
  const T& operator*() const& noexcept { return *std::get_if<0>(&held_); }
  T&& operator*() && noexcept { return std::move(*std::get_if<0>(&held_)); }
  T* operator->() noexcept { return std::get_if<0>(&held_); }
  const T* operator->() const noexcept { return std::get_if<0>(&held_); }
  const Error& error() const noexcept { return *std::get_if<1>(&held_); }  // only if not ok()

 private:
  std::variant<T, Error> held_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: a way in
  bool ok() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }
  const Error& error() const noexcept { return *error_; }  // only if not ok()

 private:
  std::optional<Error> error_;
};

template <class T>
using Returns = Result<T>;

#else

template <class T>
using Returns = T;

#endif

namespace detail {

#ifdef HADAL_NO_EXCEPTIONS
template <class T>
Returns<T> fail(hadal_error* error) {
  return Error(error);
}
inline Returns<void> success() { return {}; }
#else
template <class T>
[[noreturn]] Returns<T> fail(hadal_error* error) {
  throw Error(error);
}
inline void success() {}
#endif

// An owner of one handle.
template <class T, void (*Free)(T*)>
class Owner {
 public:
  using Raw = T;
  Owner() = default;
  explicit Owner(T* handle) noexcept : handle_(handle) {}
  T* get() const noexcept { return handle_.get(); }
  T* release() noexcept { return handle_.release(); }
  explicit operator bool() const noexcept { return handle_ != nullptr; }

 protected:
  void reset(T* handle) noexcept { handle_.reset(handle); }

 private:
  struct Deleter {
    void operator()(T* handle) const noexcept { Free(handle); }
  };
  std::unique_ptr<T, Deleter> handle_;
};

// Calls a C function that returns nothing but success or failure.
template <class Function, class... Arguments>
Returns<void> check(Function function, Arguments... arguments) {
  hadal_error* error = nullptr;
  if (function(arguments..., &error) < 0) return fail<void>(error);
  return success();
}

// Calls a C function whose status is the answer.
template <class Function, class... Arguments>
Returns<hadal_status> status(Function function, Arguments... arguments) {
  hadal_error* error = nullptr;
  const hadal_status now = function(arguments..., &error);
  if (now < 0) return fail<hadal_status>(error);
  return now;
}

// Calls a C function that makes a handle, which T owns.
template <class T, class Function, class... Arguments>
Returns<T> make(Function function, Arguments... arguments) {
  typename T::Raw* handle = nullptr;
  hadal_error* error = nullptr;
  if (function(arguments..., &handle, &error) < 0) return fail<T>(error);
  return T(handle);
}

// Calls a C function that writes a struct or a number.
template <class T, class Function, class... Arguments>
Returns<T> read(T out, Function function, Arguments... arguments) {
  hadal_error* error = nullptr;
  if (function(arguments..., &out, &error) < 0) return fail<T>(error);
  return out;
}

// Calls a C function that fills an array, whose size only the library knows and which another
// thread may make longer between two calls.
template <class Array, class Function, class... Arguments>
Returns<Array> read_all(Function function, Arguments... arguments) {
  Array out;
  size_t size = 0;
  for (;;) {
    hadal_error* error = nullptr;
    const hadal_status status =
        function(arguments..., out.empty() ? nullptr : out.data(), out.size(), &size, &error);
    if (status < 0 && status != HADAL_E_BUFFER_TOO_SMALL) return fail<Array>(error);
    hadal_error_free(error);
    const bool complete = status >= 0 && size <= out.size();
    out.resize(size);
    if (complete) return out;
  }
}

template <class Struct>
Struct sized() noexcept {
  Struct out{};
  out.struct_size = sizeof(Struct);
  return out;
}

inline uint64_t nanoseconds(std::chrono::nanoseconds time) noexcept {
  return time.count() > 0 ? static_cast<uint64_t>(time.count()) : 0;
}

// Frees what a callback owns.
template <class Function>
void destroy(void* function) {
  delete static_cast<Function*>(function);
}

}  // namespace detail

// ---- Library ----------------------------------------------------------------------------------

inline uint32_t abi_version() noexcept { return hadal_abi_version(); }
inline std::string_view build_info() noexcept { return hadal_build_info(); }
inline std::string_view status_name(hadal_status s) noexcept { return hadal_status_name(s); }

// ---- Options ----------------------------------------------------------------------------------

inline Returns<int32_t> option_find(std::string_view name) {
  return detail::read(int32_t{0}, hadal_option_find, name.data(), name.size());
}

inline Returns<hadal_option_desc> option_describe(int32_t key) {
  return detail::read(detail::sized<hadal_option_desc>(), hadal_option_describe, key);
}

// A bag of options. An empty one means defaults and costs nothing.
class Config : public detail::Owner<hadal_config, hadal_config_free> {
 public:
  Config() = default;
  explicit Config(hadal_config* handle) noexcept : Owner(handle) {}

  Returns<void> set_i64(int32_t key, int64_t value) {
    return change(hadal_config_set_i64, key, value);
  }
  Returns<void> set_f64(int32_t key, double value) {
    return change(hadal_config_set_f64, key, value);
  }
  Returns<void> set_str(int32_t key, std::string_view text) {
    return change(hadal_config_set_str, key, text.data(), text.size());
  }

  // Any option by key. An integer serves an option of type f64 too.
  template <class Value>
  Returns<void> set(int32_t key, const Value& value) {
    if constexpr (std::is_integral_v<Value>) {
      hadal_option_desc option = detail::sized<hadal_option_desc>();
      if (hadal_option_describe(key, &option, nullptr) == HADAL_OK &&
          option.type == HADAL_TYPE_F64) {
        return set_f64(key, static_cast<double>(value));
      }
      return set_i64(key, static_cast<int64_t>(value));
    } else if constexpr (std::is_floating_point_v<Value>) {
      return set_f64(key, static_cast<double>(value));
    } else {
      return set_str(key, std::string_view(value));
    }
  }

  // Any option by name: config.set("temperature", 0.7).
  template <class Value>
  Returns<void> set(std::string_view name, const Value& value) {
    int32_t key = 0;
    hadal_error* error = nullptr;
    if (hadal_option_find(name.data(), name.size(), &key, &error) < 0) {
      return detail::fail<void>(error);
    }
    return set(key, value);
  }

  // What the host supplies; see the tables in hadal.h. The table is copied.
  Returns<void> set_allocator(const hadal_allocator& table) {
    return change(hadal_config_set_allocator, &table);
  }
  Returns<void> set_executor(const hadal_executor& table) {
    return change(hadal_config_set_executor, &table);
  }
  Returns<void> set_io(const hadal_io& table) { return change(hadal_config_set_io, &table); }
  Returns<void> set_log_sink(const hadal_log_sink& table) {
    return change(hadal_config_set_log_sink, &table);
  }
  // write(level, category, text) gets every record up to `level`, from any thread, and must not
  // throw.
  template <class Write>
  Returns<void> set_log_sink(int32_t level, Write write) {
    auto owned = std::make_unique<Write>(std::move(write));
    hadal_log_sink table = detail::sized<hadal_log_sink>();
    table.level = level;
    table.user_data = owned.get();
    table.destroy = detail::destroy<Write>;
    table.write = [](void* user_data, int32_t record_level, const char* category, const char* text,
                     size_t text_size) {
      (*static_cast<Write*>(user_data))(record_level, std::string_view(category),
                                        std::string_view(text, text_size));
    };
    hadal_error* error = nullptr;
    if (make_handle(&error) < 0 || hadal_config_set_log_sink(get(), &table, &error) < 0) {
      return detail::fail<void>(error);
    }
    static_cast<void>(owned.release());  // destroyed through the table from now on
    return detail::success();
  }

 private:
  hadal_status make_handle(hadal_error** error) {
    if (get()) return HADAL_OK;
    hadal_config* handle = nullptr;
    const hadal_status status = hadal_config_create(&handle, error);
    reset(handle);
    return status;
  }

  template <class Function, class... Arguments>
  Returns<void> change(Function function, Arguments... arguments) {
    hadal_error* error = nullptr;
    if (make_handle(&error) < 0) return detail::fail<void>(error);
    return detail::check(function, get(), arguments...);
  }
};

// ---- Tokenizer --------------------------------------------------------------------------------

class Tokenizer : public detail::Owner<hadal_tokenizer, hadal_tokenizer_free> {
 public:
  using Owner::Owner;
  Returns<std::vector<int32_t>> encode(std::string_view text, int32_t flags = 0) const {
    return detail::read_all<std::vector<int32_t>>(hadal_tokenizer_encode, get(), text.data(),
                                                  text.size(), flags);
  }
  Returns<std::string> decode(const int32_t* tokens, size_t n_tokens, int32_t flags = 0) const {
    return detail::read_all<std::string>(hadal_tokenizer_decode, get(), tokens, n_tokens, flags);
  }
  Returns<std::string> decode(const std::vector<int32_t>& tokens, int32_t flags = 0) const {
    return decode(tokens.data(), tokens.size(), flags);
  }
};

// ---- Sampler ----------------------------------------------------------------------------------

class Sampler : public detail::Owner<hadal_sampler, hadal_sampler_free> {
 public:
  using Owner::Owner;
  // history feeds the penalties; it may be NULL.
  Returns<int32_t> pick(const hadal_session* history, const float* logits, size_t n_logits,
                        uint64_t draw) const {
    return detail::read(int32_t{0}, hadal_sampler_pick, get(), history, logits, n_logits, draw);
  }
  Returns<int32_t> pick(const std::vector<float>& logits, uint64_t draw) const {
    return pick(nullptr, logits.data(), logits.size(), draw);
  }
};

// ---- Requests ---------------------------------------------------------------------------------

// What a request has to tell.
class Event {
 public:
  Event() noexcept : event_(detail::sized<hadal_event>()) {}
  explicit Event(const hadal_event& event) noexcept : event_(event) {}
  int32_t kind() const noexcept { return event_.kind; }  // HADAL_EVENT_*
  uint64_t sequence() const noexcept { return event_.sequence; }
  int32_t token() const noexcept { return event_.token; }
  float logprob() const noexcept { return event_.logprob; }
  int32_t channel() const noexcept { return event_.channel; }  // HADAL_CHANNEL_*
  int32_t finish() const noexcept { return event_.finish; }    // HADAL_FINISH_*
  double progress() const noexcept { return event_.progress; }
  // Whole characters, empty unless HADAL_EVENT_TEXT; valid until the request's next event.
  std::string_view text() const noexcept {
    if (kind() != HADAL_EVENT_TEXT || event_.text_size == 0) return {};
    return {event_.text, event_.text_size};
  }
  hadal_event* raw() noexcept { return &event_; }

 private:
  hadal_event event_;
};

struct TokenLogprob {
  int32_t token;
  float logprob;
};

class Model;
class Runtime;

// A running load, check, prefill or generate. `for (const Event& e : request)` moves it to its end
// and shows every event on the way; a failure throws there. Without exceptions the loop ends, and
// wait() tells the failure, as often as it is asked.
class Request : public detail::Owner<hadal_request, hadal_request_free> {
 public:
  using Owner::Owner;

  // Each returns HADAL_PENDING, HADAL_EVENT or HADAL_DONE.
  Returns<hadal_status> step(std::chrono::nanoseconds budget) {
    return detail::status(hadal_request_step, get(), detail::nanoseconds(budget));
  }
  Returns<hadal_status> poll(Event& out) {
    return detail::status(hadal_request_poll, get(), out.raw());
  }
  Returns<hadal_status> wait(std::chrono::nanoseconds timeout) {
    return detail::status(hadal_request_wait, get(), detail::nanoseconds(timeout));
  }
  Returns<hadal_status> wait() { return detail::status(hadal_request_wait, get(), UINT64_MAX); }

  void cancel() noexcept { hadal_request_cancel(get()); }

  // Drops what events are left and moves the request to its end.
  Returns<void> finish() {
    hadal_error* error = nullptr;
    if (run_to_end(&error) < 0) return detail::fail<void>(error);
    return detail::success();
  }

  // fn(const Event&) gets the events on the thread that does the work; it returns HADAL_CONTINUE,
  // or HADAL_STOP to cancel. An exception leaving it cancels too.
  template <class Function>
  Returns<void> set_callback(Function fn) {
    auto owned = std::make_unique<Function>(std::move(fn));
    const auto call = [](void* user_data, const hadal_event* event) -> int32_t {
#ifdef HADAL_NO_EXCEPTIONS
      return (*static_cast<Function*>(user_data))(Event(*event));
#else
      try {
        return (*static_cast<Function*>(user_data))(Event(*event));
      } catch (...) {
        return HADAL_STOP;
      }
#endif
    };
    hadal_error* error = nullptr;
    if (hadal_request_set_callback(get(), call, owned.get(), detail::destroy<Function>, &error) <
        0) {
      return detail::fail<void>(error);
    }
    static_cast<void>(owned.release());  // destroyed by the request from now on
    return detail::success();
  }

  Returns<Model> take_model();

  // The best tokens at a position that this request generated, best first, at most `top`.
  Returns<std::vector<TokenLogprob>> logprobs(uint64_t position, size_t top) const {
    std::vector<int32_t> tokens(top);
    std::vector<float> values(top);
    size_t found = 0;
    hadal_error* error = nullptr;
    const hadal_status status =
        hadal_request_logprobs(get(), position, tokens.data(), values.data(), top, &found, &error);
    if (top == 0 && status == HADAL_E_BUFFER_TOO_SMALL) {
      hadal_error_free(error);  // how many there are was not asked for
    } else if (status < 0) {
      return detail::fail<std::vector<TokenLogprob>>(error);
    }
    std::vector<TokenLogprob> out;
    for (size_t i = 0; i < found && i < top; ++i) out.push_back({tokens[i], values[i]});
    return out;
  }

  // Logits after the token at a position, of a prefill with the option "keep_logits".
  Returns<std::vector<float>> logits(uint64_t position) const {
    return detail::read_all<std::vector<float>>(hadal_request_logits, get(), position);
  }
  // Without an allocation; returns how many there are.
  Returns<size_t> logits(uint64_t position, float* out, size_t capacity) const {
    return detail::read(size_t{0}, hadal_request_logits, get(), position, out, capacity);
  }

  Returns<hadal_stats> stats() const {
    return detail::read(detail::sized<hadal_stats>(), hadal_request_stats, get());
  }

  class Iterator {
   public:
    explicit Iterator(Request* request) : request_(request) { advance(); }
    const Event& operator*() const noexcept { return event_; }
    const Event* operator->() const noexcept { return &event_; }
    Iterator& operator++() {
      advance();
      return *this;
    }
    bool operator!=(std::nullptr_t) const noexcept { return request_ != nullptr; }

   private:
    void advance() {
      hadal_error* error = nullptr;
      hadal_status now = HADAL_EVENT;
      while (now == HADAL_EVENT) {
        now = hadal_request_wait(request_->get(), UINT64_MAX, &error);
        if (now == HADAL_EVENT &&
            hadal_request_poll(request_->get(), event_.raw(), nullptr) == HADAL_EVENT) {
          return;
        }
      }
      request_ = nullptr;
#ifdef HADAL_NO_EXCEPTIONS
      hadal_error_free(error);
#else
      if (now < 0) throw Error(error);
#endif
    }
    Request* request_;  // null at the end
    Event event_;
  };
  Iterator begin() { return Iterator(this); }
  std::nullptr_t end() const noexcept { return nullptr; }

 private:
  friend class Runtime;

  hadal_status run_to_end(hadal_error** error) {
    Event event;
    for (;;) {
      const hadal_status now = hadal_request_wait(get(), UINT64_MAX, error);
      if (now != HADAL_EVENT) return now;
      static_cast<void>(hadal_request_poll(get(), event.raw(), nullptr));
    }
  }
};

// ---- Session ----------------------------------------------------------------------------------

class Session : public detail::Owner<hadal_session, hadal_session_free> {
 public:
  using Owner::Owner;

  Returns<void> append_tokens(const int32_t* tokens, size_t n_tokens) {
    return detail::check(hadal_session_append_tokens, get(), tokens, n_tokens);
  }
  Returns<void> append_tokens(const std::vector<int32_t>& tokens) {
    return append_tokens(tokens.data(), tokens.size());
  }
  Returns<void> append_text(std::string_view text, int32_t flags = 0) {
    return detail::check(hadal_session_append_text, get(), text.data(), text.size(), flags);
  }
  Returns<void> add_message(std::string_view role, std::string_view content) {
    return detail::check(hadal_session_add_message, get(), role.data(), role.size(), content.data(),
                         content.size());
  }
  Returns<void> add_message_json(std::string_view json) {
    return detail::check(hadal_session_add_message_json, get(), json.data(), json.size());
  }
  Returns<void> apply_chat(int32_t flags = HADAL_CHAT_PROMPT) {
    return detail::check(hadal_session_apply_chat, get(), flags);
  }
  Returns<void> clear_messages() { return detail::check(hadal_session_clear_messages, get()); }

  uint64_t length() const noexcept { return hadal_session_length(get()); }
  Returns<std::vector<int32_t>> tokens() const {
    return detail::read_all<std::vector<int32_t>>(hadal_session_tokens, get());
  }
  Returns<void> rewind(uint64_t length) {
    return detail::check(hadal_session_rewind, get(), length);
  }
  Returns<Session> fork() { return detail::make<Session>(hadal_session_fork, get()); }

  Returns<Request> prefill(const Config& config = {}) {
    return detail::make<Request>(hadal_session_prefill, get(), config.get());
  }
  Returns<Request> generate(const Sampler& sampler, const Config& config = {}) {
    return detail::make<Request>(hadal_session_generate, get(), sampler.get(), config.get());
  }

  Returns<std::vector<float>> logits() const {
    return detail::read_all<std::vector<float>>(hadal_session_logits, get());
  }
  // Without an allocation; returns how many there are.
  Returns<size_t> logits(float* out, size_t capacity) const {
    return detail::read(size_t{0}, hadal_session_logits, get(), out, capacity);
  }
};

// ---- Model ------------------------------------------------------------------------------------

// What an op of a model has taken; see hadal_op_profile.
struct OpProfile {
  std::string_view name;  // lives as long as the model
  uint64_t calls, ns, bytes, multiplications;
};

class Model : public detail::Owner<hadal_model, hadal_model_free> {
 public:
  using Owner::Owner;
  // A metadata value of the file as text; nothing if the key is absent. Lives as long as the model.
  std::optional<std::string_view> metadata(std::string_view key) const noexcept {
    const char* text = hadal_model_metadata(get(), key.data(), key.size());
    if (!text) return std::nullopt;
    return text;
  }
  // All lines, in order of first use; none if the model was loaded without the option "profile".
  std::vector<OpProfile> profile() const {
    std::vector<OpProfile> lines;
    hadal_op_profile line = detail::sized<hadal_op_profile>();
    while (const char* name = hadal_model_profile(get(), lines.size(), &line)) {
      lines.push_back({name, line.calls, line.ns, line.bytes, line.multiplications});
    }
    return lines;
  }
  // HADAL_IMATRIX_*; of a model loaded with the option "imatrix".
  Returns<void> save_imatrix(std::string_view path, std::string_view dataset = {},
                             int32_t chunk_size = 0, int32_t flags = 0) const {
    return detail::check(hadal_model_save_imatrix, get(), path.data(), path.size(), dataset.data(),
                         dataset.size(), chunk_size, flags);
  }
  Returns<Tokenizer> tokenizer() const {
    return detail::make<Tokenizer>(hadal_model_tokenizer, get());
  }
  Returns<Session> create_session(const Config& config = {}) const {
    return detail::make<Session>(hadal_session_create, get(), config.get());
  }
};

inline Returns<Model> Request::take_model() {
  return detail::make<Model>(hadal_request_take_model, get());
}

// ---- Runtime ----------------------------------------------------------------------------------

class Runtime : public detail::Owner<hadal_runtime, hadal_runtime_free> {
 public:
  using Owner::Owner;
  static Returns<Runtime> create(const Config& config = {}) {
    return detail::make<Runtime>(hadal_runtime_create, config.get());
  }
  Returns<hadal_memory_plan> plan(std::string_view path, const Config& config = {}) const {
    return detail::read(detail::sized<hadal_memory_plan>(), hadal_model_plan, get(), path.data(),
                        path.size(), config.get());
  }
  // Starts to load; then Request::take_model().
  Returns<Request> load(std::string_view path, const Config& config = {}) const {
    return detail::make<Request>(hadal_model_load, get(), path.data(), path.size(), config.get());
  }
  // Starts to check the files; every text event is a finding as JSON.
  Returns<Request> verify(std::string_view path, const Config& config = {}) const {
    return detail::make<Request>(hadal_model_verify, get(), path.data(), path.size(), config.get());
  }
  // Loads and waits for it.
  Returns<Model> load_model(std::string_view path, const Config& config = {}) const {
    hadal_request* started = nullptr;
    hadal_error* error = nullptr;
    if (hadal_model_load(get(), path.data(), path.size(), config.get(), &started, &error) < 0) {
      return detail::fail<Model>(error);
    }
    Request request(started);
    if (request.run_to_end(&error) < 0) return detail::fail<Model>(error);
    return request.take_model();
  }
  // What a conversion would write, from the headers alone.
  Returns<hadal_convert_sizes> convert_plan(std::string_view from, std::string_view to,
                                            const Config& config = {}) const {
    return detail::read(detail::sized<hadal_convert_sizes>(), hadal_convert_plan, get(),
                        from.data(), from.size(), to.data(), to.size(), config.get());
  }
  // Starts to convert; Request::wait() moves it.
  Returns<Request> convert(std::string_view from, std::string_view to,
                           const Config& config = {}) const {
    return detail::make<Request>(hadal_convert, get(), from.data(), from.size(), to.data(),
                                 to.size(), config.get());
  }
  Returns<Sampler> create_sampler(const Config& config = {}) const {
    return detail::make<Sampler>(hadal_sampler_create, get(), config.get());
  }
  Returns<hadal_stats> stats() const {
    return detail::read(detail::sized<hadal_stats>(), hadal_runtime_stats, get());
  }
};

}  // inline namespace abi_0 or abi_0_results
}  // namespace hadal

#endif  // HADAL_HPP
