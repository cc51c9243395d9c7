// hadal perplexity: how likely a model holds a text, and how far it is from another model, or from
// what another run has written down.
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <unordered_map>

#include "examples/cli/answer_json.hpp"
#include "examples/cli/commands.hpp"
#include "examples/cli/engine.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/likelihood.hpp"
#include "examples/cli/logits_file.hpp"
#include "examples/cli/progress.hpp"
#include "examples/cli/prompt.hpp"
#include "examples/cli/terminal.hpp"
#include "examples/cli/window_reader.hpp"

namespace cli {
namespace {

// Bytes of the text that a token stands for.
class TokenBytes {
 public:
  explicit TokenBytes(const hadal::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  size_t of(int32_t token) {
    const auto found = known_.find(token);
    if (found != known_.end()) return found->second;
    const size_t n = tokenizer_.decode(&token, 1, HADAL_TEXT_SPECIAL).size();
    known_.emplace(token, n);
    return n;
  }

 private:
  const hadal::Tokenizer& tokenizer_;
  std::unordered_map<int32_t, size_t> known_;
};

// Throws unless both give every id the same text, and have as many of them.
void require_same_words(const hadal::Model& model, const hadal::Model& base) {
  const auto differs = [](const std::string& how) {
    throw Failure("the two models do not have the same tokenizer: " + how,
                  "Only models that read a text as the same tokens can be compared.");
  };
  const size_t n = words_of(model), n_base = words_of(base);
  if (n != n_base) differs(std::to_string(n) + " words and " + std::to_string(n_base));
  const hadal::Tokenizer a = model.tokenizer(), b = base.tokenizer();
  const auto text = [](const hadal::Tokenizer& tokenizer, int32_t id, std::string& out) {
    try {
      out = tokenizer.decode(&id, 1, HADAL_TEXT_SPECIAL);
      return true;
    } catch (const hadal::Error& error) {
      if (error.code() != HADAL_E_OUT_OF_RANGE) throw;
      return false;  // a row beyond the tokenizer
    }
  };
  std::string of_a, of_b;
  for (int32_t id = 0; id < static_cast<int32_t>(n); ++id) {
    const bool in_a = text(a, id, of_a), in_b = text(b, id, of_b);
    if (in_a != in_b || (in_a && of_a != of_b)) {
      differs("token " + std::to_string(id) + " is another text");
    }
  }
}

struct Result {
  std::string how;  // the windows, in words
  size_t n_tokens = 0, n_windows = 0, n_bytes = 0;
  Sum nll;
  std::vector<double> of_windows;  // mean NLL of each
  Divergence divergence;           // if there is a base
};

constexpr double kLn2 = 0.6931471805599453;

double bits_per_byte(const Result& r) {
  return r.n_bytes == 0 ? 0.0 : r.nll.total() / kLn2 / static_cast<double>(r.n_bytes);
}

Json mean_json(const Mean& mean) { return {{"value", mean.value}, {"error", mean.error}}; }

// The error of exp(x), given that of x.
Mean exponential(const Mean& x) { return {std::exp(x.value), std::exp(x.value) * x.error}; }

Json json_of(const Result& r, bool has_base) {
  Json out = {{"windows", r.n_windows},
              {"tokens", r.n_tokens},
              {"scored", r.nll.n()},
              {"scoring", r.how},
              {"nll", mean_json(r.nll.mean())},
              {"perplexity", mean_json(exponential(r.nll.mean()))},
              {"bits_per_byte", bits_per_byte(r)},
              {"nll_of_windows", r.of_windows}};
  if (!has_base) return out;
  const Divergence& d = r.divergence;
  out["against"] = {{"perplexity", mean_json(exponential(d.base_nll()))},
                    {"perplexity_ratio", mean_json(exponential(d.log_ratio()))},
                    {"kl", mean_json(d.kl())},
                    {"kl_median", d.quantile(0.5)},
                    {"kl_99_percent", d.quantile(0.99)},
                    {"kl_most", d.most()},
                    {"same_best", mean_json(d.same_best())},
                    {"absolute_dp", mean_json(d.absolute_dp())},
                    {"dp", mean_json(d.dp())},
                    {"rms_dp", d.rms_dp()}};
  return out;
}

std::string text_of(const Result& r, const std::string& base) {
  char text[1200];
  const Mean nll = r.nll.mean(), perplexity = exponential(nll);
  std::snprintf(text, sizeof text,
                "text        %zu tokens, %zu windows, %s\n"
                "scored      %lld tokens, %zu bytes\n"
                "nll         %.5f +- %.5f per token\n"
                "perplexity  %.4f +- %.4f\n"
                "bits/byte   %.5f\n",
                r.n_tokens, r.n_windows, r.how.c_str(), static_cast<long long>(r.nll.n()),
                r.n_bytes, nll.value, nll.error, perplexity.value, perplexity.error,
                bits_per_byte(r));
  std::string out = text;
  if (base.empty()) return out;
  const Divergence& d = r.divergence;
  const Mean of_base = exponential(d.base_nll()), ratio = exponential(d.log_ratio());
  std::snprintf(text, sizeof text,
                "perplexity  %.4f +- %.4f, of %.5f +- %.5f times that\n"
                "kl          %.6f +- %.6f mean, %.6f median, %.6f at 99 %%, %.6f at most\n"
                "best token  %.3f +- %.3f %% the same\n"
                "|dp|        %.4f +- %.4f %% mean, %.4f %% root of mean square, dp %+.4f %%\n",
                of_base.value, of_base.error, ratio.value, ratio.error, d.kl().value, d.kl().error,
                d.quantile(0.5), d.quantile(0.99), d.most(), 100.0 * d.same_best().value,
                100.0 * d.same_best().error, 100.0 * d.absolute_dp().value,
                100.0 * d.absolute_dp().error, 100.0 * d.rms_dp(), 100.0 * d.dp().value);
  return out + "against     " + base + "\n" + text;
}

}  // namespace

std::string read_text_file(const std::string& path) {
  if (path == "-") return read_stdin();
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || file.bad()) {
    throw Failure(path + ": " + std::strerror(errno), "Give a text file, or - for stdin.");
  }
  return text;
}

std::optional<int32_t> bos_of(const hadal::Model& model) {
  const std::string adds(model.metadata("tokenizer.ggml.add_bos_token").value_or(""));
  const bool is_kimi = model.metadata("tokenizer.ggml.pre") == "kimi-k2" ||
                       model.metadata("model_type") == "kimi_k2";
  if (adds == "false" || (adds.empty() && is_kimi)) return std::nullopt;
  const std::vector<int32_t> only = model.tokenizer().encode("", HADAL_TEXT_BOS);
  return only.empty() ? std::nullopt : std::optional(only.front());
}

void PerplexityCommand::add_to(CLI::App& app) {
  app.add_option("-f,--text,--file", text, "The text; - is stdin")->option_text("FILE");
  context_option = app.add_option("-c,--context,--ctx-size", context, "Tokens of a window")
                       ->option_text("N")
                       ->capture_default_str();
  stride_option = app.add_option("--stride", stride,
                                 "Begin a window every N tokens, and score every token of the text "
                                 "once")
                      ->option_text("N");
  app.add_flag("--all-tokens", all_tokens,
               "Score every token of the text, in windows that follow each other; without this or "
               "--stride the second half of each window, as llama-perplexity does");
  app.add_option("--chunks", n_windows, "Most windows; default: all")->option_text("N");
  app.add_flag("--no-bos", no_bos, "Begin no window with BOS");
  app.add_option("--against", against, "Compare with this model: the one that is right")
      ->option_text("PATH")
      ->group("Comparison");
  app.add_option("--save-logits,--save-all-logits", save_logits,
                 "Write what the model expects into a file")
      ->option_text("FILE")
      ->group("Comparison");
  app.add_option("--against-logits,--kl-divergence-base", against_logits,
                 "Compare with such a file; the text is in it")
      ->option_text("FILE")
      ->group("Comparison");
  options.add_model_flags(app, /*is_positional=*/true);
  options.add_output_flags(app);
}

void PerplexityCommand::check() const {
  const bool halves = !all_tokens && stride_option->count() == 0;
  if (context < 4 || context > (1 << 24)) {
    throw UsageError("--context is " + std::to_string(context), "Give at least 4.");
  }
  if (stride_option->count() > 0 && (stride < 1 || stride >= context)) {
    throw UsageError(
        "--stride is " + std::to_string(stride) + ", --context " + std::to_string(context),
        "Give at least 1, and less than the context.");
  }
  if (all_tokens && stride_option->count() > 0) {
    throw UsageError("--all-tokens and --stride", "Give one of the two.");
  }
  if (n_windows < 0) throw UsageError("--chunks is negative", "Give at least 1, or leave it out.");
  if (!against.empty() && !against_logits.empty()) {
    throw UsageError("--against and --against-logits", "Give one of the two.");
  }
  if (!halves && (!save_logits.empty() || !against_logits.empty())) {
    throw UsageError("files of logits hold the second halves of windows",
                     "Leave out --stride and --all-tokens.");
  }
  if (against_logits.empty() == text.empty()) {
    throw UsageError(text.empty() ? "there is no text" : "--text beside --against-logits",
                     "Give --text FILE; a file of logits has its own text.");
  }
  if (!against_logits.empty() && context_option->count() > 0) {
    throw UsageError("--context beside --against-logits", "A file of logits has its own.");
  }
}

int PerplexityCommand::run() {
  check();
  options.resolve();
  std::unique_ptr<LogitsFileReader> base_file;
  if (!against_logits.empty()) base_file = std::make_unique<LogitsFileReader>(against_logits);
  const std::string bytes = base_file ? "" : read_text_file(text);

  Engine engine(options);
  const hadal::Model& model = engine.model();
  const hadal::Tokenizer tokenizer = model.tokenizer();
  const size_t n_words = words_of(model);
  hadal::Model base;
  if (!against.empty()) {
    base = engine.load_another(against);
    require_same_words(model, base);
  }
  if (base_file && static_cast<size_t>(base_file->n_words()) != n_words) {
    throw Failure(against_logits + ": " + std::to_string(base_file->n_words()) +
                      " words, but the model has " + std::to_string(n_words),
                  "Only models that read a text as the same tokens can be compared.");
  }

  // The windows.
  const bool every = all_tokens || stride_option->count() > 0;
  const std::optional<int32_t> bos = no_bos ? std::nullopt : bos_of(model);
  const auto size = static_cast<size_t>(base_file ? base_file->context() : context);
  std::vector<int32_t> tokens = base_file ? base_file->text() : tokenizer.encode(bytes);
  Result result;
  result.n_tokens = tokens.size();
  std::vector<Window> windows;
  if (every) {
    windows = all_scored_windows(tokens, bos, size, static_cast<size_t>(stride));
    result.how =
        stride > 0 ? "every token scored, stride " + std::to_string(stride) : "every token scored";
  } else {
    if (!base_file && bos && (tokens.empty() || tokens.front() != *bos)) {
      tokens.insert(tokens.begin(), *bos);
    }
    windows = half_scored_windows(tokens, bos, size);
    result.how = "second halves scored";
  }
  if (n_windows > 0 && windows.size() > static_cast<size_t>(n_windows)) {
    windows.resize(static_cast<size_t>(n_windows));
  }
  if (windows.empty()) {
    throw Failure("the text has " + std::to_string(tokens.size()) + " tokens, a window " +
                      std::to_string(size),
                  "Give a longer text, a smaller --context, or --all-tokens.");
  }
  result.how += ", context " + std::to_string(size);
  result.n_windows = windows.size();

  std::unique_ptr<LogitsFileWriter> out;
  if (!save_logits.empty()) {
    tokens.resize(windows.size() * size);
    out = std::make_unique<LogitsFileWriter>(save_logits, static_cast<int32_t>(size),
                                             static_cast<int32_t>(n_words), tokens);
  }

  TokenBytes token_bytes(tokenizer);
  std::vector<float> log_p, base_log_p;
  const bool quiet = options.quiet;
  options.quiet = true;  // one bar for the whole text
  Progress progress("scoring", !quiet);
  for (size_t w = 0; w < windows.size(); ++w) {
    const Window& window = windows[w];
    WindowReader reader(engine, model, window);
    std::optional<WindowReader> base_reader;
    if (base) base_reader.emplace(engine, base, window);
    double sum = 0.0;
    for (size_t at = window.first_scored; at < window.tokens.size(); ++at) {
      const int32_t token = window.tokens[at];
      reader.read(at, log_p);
      const auto nll = -static_cast<double>(log_p[static_cast<size_t>(token)]);
      if (!std::isfinite(nll)) {
        throw Failure("the model's logits are not finite at token " + std::to_string(at) +
                          " of window " + std::to_string(w),
                      "Is the file damaged?");
      }
      result.nll.add(nll);
      sum += nll;
      result.n_bytes += token_bytes.of(token);
      if (out) out->add(log_p);
      if (base_reader) base_reader->read(at, base_log_p);
      if (base_file) base_file->next(base_log_p);
      if (base_reader || base_file) {
        result.divergence.add(log_p, base_log_p, token,
                              base_file ? kLeastInFile : -std::numeric_limits<double>::infinity());
      }
      if (at % 64 == 0) {
        const auto n = static_cast<double>(at) / static_cast<double>(window.tokens.size());
        progress.show((static_cast<double>(w) + n) / static_cast<double>(windows.size()));
      }
    }
    result.of_windows.push_back(sum / static_cast<double>(window.n_scored()));
  }
  progress.erase();
  if (out) out->finish();

  const std::string base_name = base_file ? against_logits : against;
  if (options.json) {
    Json json = {{"model", options.model}};
    if (!base_name.empty()) json["base"] = base_name;
    json.update(json_of(result, !base_name.empty()));
    write_out(json_line(json));
  } else {
    write_out("model       " + options.model + "\n" + text_of(result, base_name));
  }
  return kOk;
}

}  // namespace cli
