// hadal batch: one prompt a line, one JSON object a line. A prompt that fails is reported in its
// place, and the rest goes on.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

#include "examples/cli/answer_json.hpp"
#include "examples/cli/commands.hpp"
#include "examples/cli/engine.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/interrupt.hpp"
#include "examples/cli/progress.hpp"
#include "examples/cli/prompt.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {
namespace {

// The lines of the file, "-" being stdin; blank ones are left out.
std::vector<std::string> read_prompts(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    file.open(path);
    if (!file) {
      throw Failure(path + ": " + std::strerror(errno), "Give a text file with one prompt a line.");
    }
  }
  std::istream& in = path == "-" ? std::cin : file;
  std::vector<std::string> prompts;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.find_first_not_of(" \t") != std::string::npos) prompts.push_back(line);
  }
  if (interrupt::pending()) throw Interrupted{};
  if (in.bad()) throw Failure(path + ": " + std::strerror(errno), "Is it a directory?");
  return prompts;
}

}  // namespace

void BatchCommand::add_to(CLI::App& app) {
  app.add_option("--input-file,file", file, "Text file with one prompt a line; - is stdin")
      ->option_text("FILE")
      ->required();
  options.add_model_flags(app);
  options.add_session_flags(app);
  app.add_flag("--raw", raw,
               "Prompts go to the model as they are, special tokens and all; without "
               "it each is a user's message")
      ->group("Chat");
  options.add_chat_flags(app);
  options.add_sampling_flags(app);
  options.add_output_flags(app);
  app.add_option("--logprobs", options.logprobs,
                 "Log-probability of each token, and of the N best if N > 1")
      ->option_text("N")
      ->group("Output");
}

int BatchCommand::run() {
  options.resolve();
  if (raw && (options.think || !options.system.empty())) {
    throw UsageError("--raw leaves no place for --system or --think", "Leave --raw out.");
  }
  const std::vector<std::string> prompts = read_prompts(file);
  const bool quiet = options.quiet;
  Engine engine(options);
  options.quiet = true;  // one bar for the whole batch, not one for each prompt
  Progress progress("answering", !quiet);
  hadal_stats total{};
  bool failed = false;
  for (size_t i = 0; i < prompts.size(); ++i) {
    progress.show(static_cast<double>(i) / static_cast<double>(prompts.size()));
    Json line = {{"index", i}, {"prompt", prompts[i]}};
    bool cancelled = false;
    try {
      hadal::Session session = engine.new_session();
      if (raw) {
        session.append_text(prompts[i], HADAL_TEXT_SPECIAL | HADAL_TEXT_BOS);
      } else {
        if (!options.system.empty()) session.add_message("system", options.system);
        session.add_message("user", prompts[i]);
        session.apply_chat(HADAL_CHAT_PROMPT | (options.think ? HADAL_CHAT_THINK : 0));
      }
      const Answer answer = engine.answer(session, [](std::string_view, int32_t) {});
      line.update(answer_json(answer, engine, options));
      cancelled = answer.cancelled;
      total.prompt_tokens += answer.stats.prompt_tokens;
      total.prefill_ns += answer.stats.prefill_ns;
      total.decode_ns += answer.stats.decode_ns;
      total.generated_tokens += answer.stats.generated_tokens;
    } catch (const hadal::Error& error) {
      line["error"] = {{"code", error.name()}, {"message", error.what()}, {"hint", error.hint()}};
      failed = true;
    }
    progress.erase();
    write_out(json_line(line));
    if (cancelled) return kInterrupted;
  }
  progress.erase();
  if (!quiet) {
    Answer all;
    all.stats = total;
    write_note(std::to_string(prompts.size()) + " prompts; " + Engine::speed(all), Style::kDim);
  }
  return failed ? kFailure : kOk;
}

}  // namespace cli
