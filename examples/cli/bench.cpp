// hadal bench: the speed of a file on this machine. Prompts of random tokens, read whole (prefill)
// and one by one (decode), after a run that does not count; medians, for machines are noisy.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>

#include "examples/cli/answer_json.hpp"
#include "examples/cli/commands.hpp"
#include "examples/cli/engine.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/op_times.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Of a series of runs.
class Rates {
 public:
  void add(int64_t n_tokens, double seconds) {
    const double rate = static_cast<double>(n_tokens) / seconds;
    rates_.insert(std::upper_bound(rates_.begin(), rates_.end(), rate), rate);
  }
  double median() const {
    const size_t middle = rates_.size() / 2;
    return rates_.size() % 2 == 1 ? rates_[middle] : (rates_[middle - 1] + rates_[middle]) / 2.0;
  }
  Json json(int64_t n_tokens) const {
    return {{"tokens", n_tokens},
            {"tokens_per_second", median()},
            {"lowest", rates_.front()},
            {"highest", rates_.back()},
            {"runs", rates_.size()}};
  }
  std::string line(const char* what, int64_t n_tokens) const {
    char text[160];
    std::snprintf(
        text, sizeof text, "%-8s %6lld tokens  %8.2f tokens/s  (%.2f to %.2f, %zu runs)\n", what,
        static_cast<long long>(n_tokens), median(), rates_.front(), rates_.back(), rates_.size());
    return text;
  }

 private:
  std::vector<double> rates_;  // ascending
};

// The same in every run of the program, so that runs can be compared.
class RandomTokens {
 public:
  // Of those that the tokenizer has: the embedding may have more rows, and a session refuses them.
  explicit RandomTokens(const hadal::Model& model) {
    const Json texts = Json::parse(
        std::string(model.metadata("tokenizer.ggml.tokens").value_or("[]")), nullptr, false);
    n_tokens_ = std::max<size_t>(1, texts.is_array() ? texts.size() : 0);
  }
  std::vector<int32_t> next(int64_t n) {
    std::vector<int32_t> tokens(static_cast<size_t>(n));
    for (int32_t& token : tokens) token = static_cast<int32_t>(random_() % n_tokens_);
    return tokens;
  }

 private:
  std::mt19937 random_{1};
  size_t n_tokens_;
};

}  // namespace

void BenchCommand::add_to(CLI::App& app) {
  const auto number = [&app](const char* flag, int64_t& value, const char* help) {
    app.add_option(flag, value, help)->option_text("N")->capture_default_str();
  };
  number("-p,--prefill", n_prefill, "Tokens of the prompt that is read whole; 0: leave it out");
  number("-n,--decode", n_decode, "Tokens that are read one by one; 0: leave it out");
  number("-d,--depth", depth, "Tokens that are in the session before either");
  number("-r,--repeat", n_runs, "Runs that count");
  app.add_flag("--profile", profile, "Also show what each op of the model took in those runs");
  options.add_model_flags(app, /*is_positional=*/true);
  options.add_session_flags(app);
  options.add_output_flags(app);
}

int BenchCommand::run() {
  if (n_prefill < 0 || n_decode < 0 || depth < 0 || n_runs < 1 || n_prefill + n_decode == 0) {
    throw UsageError("there is nothing to measure",
                     "--prefill or --decode must be above 0, and --repeat at least 1.");
  }
  options.resolve();
  if (profile) options.model_options.set_i64(HADAL_OPT_PROFILE, 1);
  const Clock::time_point start = Clock::now();
  Engine engine(options);
  const double load_seconds = seconds_since(start);

  RandomTokens random(engine.model());
  hadal::Session deep = engine.new_session();
  if (depth > 0) {
    deep.append_tokens(random.next(depth));
    engine.prefill(deep);
  }
  Rates prefill, decode;
  OpTimes prefill_ops, decode_ops;
  for (int64_t run = -1; run < n_runs; ++run) {  // -1 is the run that does not count
    if (n_prefill > 0) {
      hadal::Session session = deep.fork();
      session.append_tokens(random.next(n_prefill));
      prefill_ops.begin(engine.model());
      const Clock::time_point begin = Clock::now();
      engine.prefill(session);
      const double seconds = seconds_since(begin);
      if (run >= 0) {
        prefill.add(n_prefill, seconds);
        prefill_ops.end(engine.model(), n_prefill, seconds);
      }
    }
    if (n_decode > 0) {
      hadal::Session session = deep.fork();
      const std::vector<int32_t> tokens = random.next(n_decode);
      decode_ops.begin(engine.model());
      const Clock::time_point begin = Clock::now();
      for (const int32_t token : tokens) {
        session.append_tokens(&token, 1);
        engine.prefill(session);
      }
      const double seconds = seconds_since(begin);
      if (run >= 0) {
        decode.add(n_decode, seconds);
        decode_ops.end(engine.model(), n_decode, seconds);
      }
    }
  }

  const std::string backend(engine.model().metadata("hadal.backend").value_or(""));
  const hadal_stats stats = engine.runtime().stats();
  if (options.json) {
    Json out = {{"model", options.model},
                {"backend", backend},
                {"load_seconds", load_seconds},
                {"depth", depth},
                {"host_peak_bytes", stats.host_peak}};
    if (n_prefill > 0) out["prefill"] = prefill.json(n_prefill);
    if (n_prefill > 0 && profile) prefill_ops.add_to(out["prefill"]);
    if (n_decode > 0) out["decode"] = decode.json(n_decode);
    if (n_decode > 0 && profile) decode_ops.add_to(out["decode"]);
    write_out(json_line(out));
    return kOk;
  }
  char head[160];
  std::snprintf(head, sizeof head,
                "load     %.2f s; memory at most %.1f MiB besides the mapped file\n"
                "depth    %lld tokens in the session\n",
                load_seconds, static_cast<double>(stats.host_peak) / (1 << 20),
                static_cast<long long>(depth));
  write_out(options.model + "\nbackend  " + backend + "\n" + head +
            (n_prefill > 0 ? prefill.line("prefill", n_prefill) : "") +
            (n_decode > 0 ? decode.line("decode", n_decode) : "") +
            (n_prefill > 0 && profile ? prefill_ops.table("prefill") : "") +
            (n_decode > 0 && profile ? decode_ops.table("decode") : ""));
  return kOk;
}

}  // namespace cli
