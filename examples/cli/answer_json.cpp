// Names follow hadal_stats.
#include "examples/cli/answer_json.hpp"

namespace cli {
namespace {

double per_second(uint64_t n, uint64_t ns) {
  return ns > 0 ? static_cast<double>(n) * 1e9 / static_cast<double>(ns) : 0.0;
}

Json logprob_json(const hadal::Tokenizer& tokenizer, int32_t token, float logprob) {
  return {{"token", token},
          {"text", tokenizer.decode(&token, 1, HADAL_TEXT_SPECIAL)},
          {"logprob", logprob}};
}

}  // namespace

Json answer_json(const Answer& answer, const Engine& engine, const Options& options) {
  const hadal_stats& s = answer.stats;
  Json json = {{"text", answer.text}};
  if (!answer.reasoning.empty()) json["reasoning"] = answer.reasoning;
  if (!answer.tools.empty()) json["tools"] = answer.tools;
  json["finish"] = answer.finish;
  json["prompt_tokens"] = s.prompt_tokens;
  json["reused_tokens"] = s.reused_tokens;
  json["generated_tokens"] = s.generated_tokens;
  json["prompt_tokens_per_second"] = per_second(s.prompt_tokens, s.prefill_ns);
  json["generated_tokens_per_second"] =
      per_second(s.generated_tokens > 0 ? s.generated_tokens - 1 : 0, s.decode_ns);
  json["seed"] = static_cast<int64_t>(s.seed);  // as --seed takes it
  if (options.logprobs > 0) {
    const hadal::Tokenizer tokenizer = engine.model().tokenizer();
    Json& all = json["logprobs"] = Json::array();
    for (const TokenInfo& token : answer.tokens) {
      Json& one = all.emplace_back(logprob_json(tokenizer, token.token, token.logprob));
      if (options.logprobs < 2) continue;
      Json& best = one["best"] = Json::array();
      for (const hadal::TokenLogprob& b : token.best) {
        best.push_back(logprob_json(tokenizer, b.token, b.logprob));
      }
    }
  }
  return json;
}

std::string json_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace cli
