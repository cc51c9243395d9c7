// hadal run: one prompt, one text. The prompt goes to the model as it is, special tokens and all;
// with --chat, --system or --think it is a user's message instead.
#include "examples/cli/answer_json.hpp"
#include "examples/cli/commands.hpp"
#include "examples/cli/engine.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/printer.hpp"
#include "examples/cli/prompt.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {

void RunCommand::add_to(CLI::App& app) {
  prompt_option = app.add_option("-p,--prompt,prompt", prompt,
                                 "The prompt, special tokens as the model's authors write them; "
                                 "without one it is read from stdin")
                      ->option_text("TEXT");
  options.add_model_flags(app);
  options.add_session_flags(app);
  app.add_flag("--chat", as_chat, "The prompt is a user's message, rendered by the chat format")
      ->group("Chat");
  options.add_chat_flags(app);
  app.add_flag("--interactive", interactive,
               "-cnv; as hadal chat, the prompt being the first message")
      ->group("Chat");
  app.add_flag("--no-conversation", no_conversation, "-no-cnv; what run does anyway")->group("");
  app.add_flag("--fix-bars", fix_bars, "Read <|User|> as <\uFF5CUser\uFF5C>, and its like")
      ->group("Chat");
  options.add_sampling_flags(app);
  options.add_output_flags(app);
  app.add_option("--logprobs", options.logprobs,
                 "With --json: log-probability of each token, and of the N best if N > 1")
      ->option_text("N")
      ->group("Output");
}

int RunCommand::run() {
  if (interactive && no_conversation) {
    throw UsageError("--interactive and --no-conversation exclude each other", "Take one of them.");
  }
  if (interactive) {
    if (options.json) throw UsageError("--json is not for a conversation", "Take hadal batch.");
    ChatCommand chat;
    chat.options = std::move(options);
    chat.first_message = prompt;
    return chat.run();
  }
  options.resolve();
  if (options.logprobs != 0 && !options.json) {
    throw UsageError("--logprobs without --json", "Add --json: they have no place in plain text.");
  }
  if (prompt_option->count() == 0) {
    if (stdin_is_terminal()) {
      throw UsageError("there is no prompt",
                       "Give --prompt TEXT, or pipe a text in; or take "
                       "hadal chat for a conversation.");
    }
    prompt = read_stdin();
  }

  Engine engine(options);
  hadal::Session session = engine.new_session();
  if (as_chat || options.think || !options.system.empty()) {
    if (!options.system.empty()) session.add_message("system", options.system);
    session.add_message("user", prompt);
    session.apply_chat(HADAL_CHAT_PROMPT | (options.think ? HADAL_CHAT_THINK : 0));
  } else {
    prompt = check_bars(engine.model().tokenizer(), std::move(prompt), fix_bars);
    session.append_text(prompt, HADAL_TEXT_SPECIAL | HADAL_TEXT_BOS);
  }

  Printer printer;
  const Answer answer = engine.answer(session, [&](std::string_view text, int32_t channel) {
    if (!options.json) printer.text(text, channel);
  });
  if (options.json) {
    write_out(json_line(answer_json(answer, engine, options)));
  } else {
    printer.end();
  }
  if (!options.quiet) write_note(Engine::speed(answer), Style::kDim);
  return answer.cancelled ? kInterrupted : kOk;
}

}  // namespace cli
