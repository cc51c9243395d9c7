// Loading and answering.
#include "examples/cli/engine.hpp"

#include <cstdio>

#include "examples/cli/progress.hpp"
#include "examples/cli/run_to_end.hpp"

namespace cli {
namespace {

const char* finish_name(int32_t finish) {
  switch (finish) {
    case HADAL_FINISH_STOP: return "stop";
    case HADAL_FINISH_LENGTH: return "length";
    case HADAL_FINISH_TOOL: return "tool";
    case HADAL_FINISH_CONTEXT: return "context";
    default: return "unknown";
  }
}

double per_second(uint64_t n, uint64_t ns) {
  return ns > 0 ? static_cast<double>(n) * 1e9 / static_cast<double>(ns) : 0.0;
}

}  // namespace

// The sampler comes first: a bad value should not wait for the weights.
Engine::Engine(Options& options)
    : options_(options), runtime_(hadal::Runtime::create(options.runtime)) {
  sampler_ = runtime_.create_sampler(options.sampler);
  model_ = load_another(options.model);
}

hadal::Model Engine::load_another(const std::string& path) {
  hadal::Request load = runtime_.load(path, options_.model_options);
  Progress progress("loading", !options_.quiet);
  const bool done = run_to_end(load, [&](const hadal::Event& event) {
    if (event.kind() == HADAL_EVENT_PROGRESS) progress.show(event.progress());
  });
  if (!done) throw Interrupted{};
  return load.take_model();
}

Answer Engine::answer(hadal::Session& session, const OnText& on_text) {
  Answer answer;
  const uint64_t before = session.length();
  hadal::Request request = session.generate(sampler_, options_.request);
  Progress progress("reading", !options_.quiet);
  const bool done = run_to_end(request, [&](const hadal::Event& event) {
    switch (event.kind()) {
      case HADAL_EVENT_PROGRESS: progress.show(event.progress()); break;
      case HADAL_EVENT_TOKEN:
        progress.erase();
        answer.tokens.push_back({event.token(), event.logprob(), {}});
        break;
      case HADAL_EVENT_TEXT: {
        progress.erase();
        std::string& channel = event.channel() == HADAL_CHANNEL_REASONING ? answer.reasoning
                               : event.channel() == HADAL_CHANNEL_TOOL    ? answer.tools
                                                                          : answer.text;
        channel += event.text();
        on_text(event.text(), event.channel());
        break;
      }
      case HADAL_EVENT_FINISH: answer.finish = finish_name(event.finish()); break;
      default: break;
    }
  });
  answer.stats = request.stats();
  if (!done) {
    answer.cancelled = true;
    answer.finish = "cancelled";
  }
  if (options_.logprobs > 1) {
    const auto top = static_cast<size_t>(options_.logprobs);
    for (size_t i = 0; i < answer.tokens.size(); ++i) {
      answer.tokens[i].best = request.logprobs(before + i, top);
    }
  }
  return answer;
}

hadal::Request Engine::prefill(hadal::Session& session, const hadal::Config& config) {
  hadal::Request request = session.prefill(config);
  if (!run_to_end(request, [](const hadal::Event&) {})) throw Interrupted{};
  return request;
}

std::string Engine::speed(const Answer& answer) {
  const hadal_stats& s = answer.stats;
  char text[200];
  std::snprintf(
      text, sizeof text, "prompt %llu tokens, %.1f tokens/s; answer %llu tokens, %.1f tokens/s",
      static_cast<unsigned long long>(s.prompt_tokens), per_second(s.prompt_tokens, s.prefill_ns),
      static_cast<unsigned long long>(s.generated_tokens),
      per_second(s.generated_tokens > 0 ? s.generated_tokens - 1 : 0, s.decode_ns));
  return text;
}

}  // namespace cli
