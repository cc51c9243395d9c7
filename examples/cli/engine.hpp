// A loaded model and its answers: requests moved to their ends, with a bar, and with an ear for
// Ctrl-C.
#pragma once

#include <cstdint>
#include <functional>
#include <hadal/hadal.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "examples/cli/options.hpp"

namespace cli {

// Thrown where Ctrl-C leaves nothing to show.
struct Interrupted {};

struct TokenInfo {
  int32_t token;
  float logprob;
  std::vector<hadal::TokenLogprob> best;
};

struct Answer {
  std::string text, reasoning, tools;  // by channel
  const char* finish = "";             // "stop", "length", "tool", "context" or "cancelled"
  bool cancelled = false;
  hadal_stats stats{};
  std::vector<TokenInfo> tokens;
};

// Called with every piece of text and its channel.
using OnText = std::function<void(std::string_view text, int32_t channel)>;

class Engine {
 public:
  // Loads options.model.
  explicit Engine(Options& options);

  const hadal::Model& model() const { return model_; }
  hadal::Runtime& runtime() { return runtime_; }
  hadal::Session new_session() const { return model_.create_session(options_.session); }

  // Works through what is queued and writes on. Ctrl-C ends it; the answer then says so.
  Answer answer(hadal::Session& session, const OnText& on_text);

  // Reads what is queued, without a bar. Throws Interrupted at Ctrl-C.
  void prefill(hadal::Session& session);

  // "12 tokens read at 345 tokens/s, 67 written at 89 tokens/s"
  static std::string speed(const Answer& answer);

 private:
  Options& options_;
  hadal::Runtime runtime_;
  hadal::Model model_;
  hadal::Sampler sampler_;
};

}  // namespace cli
