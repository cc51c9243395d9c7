#include "examples/cli/window_reader.hpp"

#include <algorithm>

#include "examples/cli/answer_json.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/likelihood.hpp"

namespace cli {
namespace {

constexpr size_t kKeptBytes = size_t{64} << 20;

hadal::Session session_of(const hadal::Model& model, size_t context) {
  hadal::Config config;
  config.set_i64(HADAL_OPT_CONTEXT, static_cast<int64_t>(context));
  return model.create_session(config);
}

}  // namespace

size_t words_of(const hadal::Model& model) {
  const Json config =
      Json::parse(std::string(model.metadata("hadal.config").value_or("{}")), nullptr, false);
  const auto n = config.value("vocab_size", int64_t{0});
  if (n < 1) throw Failure("the model does not say how many words it has", "");
  return static_cast<size_t>(n);
}

WindowReader::WindowReader(Engine& engine, const hadal::Model& model, const Window& window)
    : engine_(engine),
      window_(window),
      session_(session_of(model, window.tokens.size())),
      n_words_(words_of(model)) {
  slice_ = std::clamp<size_t>(kKeptBytes / (n_words_ * sizeof(float)), 16, 512);
  compute(window.first_scored - 1, false);
}

void WindowReader::compute(size_t end, bool keep) {
  if (end == computed_) return;
  session_.append_tokens(window_.tokens.data() + computed_, end - computed_);
  hadal::Config config;
  config.set_i64(HADAL_OPT_KEEP_LOGITS, keep ? 1 : 0);
  kept_ = {};  // gives its memory back
  kept_ = engine_.prefill(session_, config);
  computed_ = end;
}

void WindowReader::read(size_t at, std::vector<float>& log_p) {
  // What comes behind the last token nobody asks.
  if (at > computed_) compute(std::min(computed_ + slice_, window_.tokens.size() - 1), true);
  log_p.resize(n_words_);
  kept_.logits(at - 1, log_p.data(), log_p.size());
  log_softmax(log_p);
}

}  // namespace cli
