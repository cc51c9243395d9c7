// hadal chat: a conversation. Ctrl-C ends the answer under way; twice it leaves.
#include "examples/cli/commands.hpp"
#include "examples/cli/conversation.hpp"
#include "examples/cli/engine.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/flag_names.hpp"
#include "examples/cli/interrupt.hpp"
#include "examples/cli/line_editor.hpp"
#include "examples/cli/printer.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {
namespace {

constexpr const char* kHelp =
    "/clear        begin anew; the system prompt stays\n"
    "/system TEXT  set the system prompt, none without TEXT; the conversation goes on\n"
    "/save FILE    write the conversation, as JSON if the name ends in .json\n"
    "/help         this\n"
    "/exit         leave, as Ctrl-D does\n"
    "A line that ends in \\ goes on in the next; one that begins with // sends a slash.\n"
    "Ctrl-C ends an answer; twice it leaves.";

class Chat {
 public:
  explicit Chat(Options& options)
      : options_(options), engine_(options), session_(engine_.new_session()) {
    conversation_.set_system(options.system);
  }

  // False to leave.
  bool handle(const std::string& line) {
    if (line.empty()) return true;
    if (line[0] == '/' && line.compare(0, 2, "//") != 0) return command(line);
    answer(line[0] == '/' ? line.substr(1) : line);
    return true;
  }

  // Whether something failed that a script should know of.
  bool failed() const { return failed_; }

 private:
  bool command(const std::string& line) {
    const size_t space = line.find_first_of(" \n");
    const std::string name = line.substr(0, space);
    const size_t start = line.find_first_not_of(" \n", space);
    const std::string text = start == std::string::npos ? "" : line.substr(start);
    if (name == "/exit" || name == "/quit") return false;
    if (name == "/clear") {
      conversation_.clear();
    } else if (name == "/system") {
      conversation_.set_system(text);
    } else if (name == "/help") {
      write_note(kHelp);
    } else if (name == "/save") {
      save(text);
    } else {
      write_error("there is no command " + name, "/help lists them; // sends a slash.");
      failed_ = true;
    }
    return true;
  }

  void save(const std::string& path) {
    try {
      if (path.empty()) throw Failure("/save wants the name of a file", "/save chat.json");
      conversation_.save(path);
      write_note("saved to " + path, Style::kDim);
    } catch (const Failure& failure) {
      write_error(failure.what(), failure.hint());
      failed_ = true;
    }
  }

  // A turn that fails is taken back, so that the next one finds a whole conversation.
  void answer(const std::string& message) {
    conversation_.add("user", message);
    Printer printer;
    try {
      conversation_.apply_to(session_, options_.think);
      const Answer answer = engine_.answer(
          session_, [&](std::string_view text, int32_t channel) { printer.text(text, channel); });
      printer.end();
      conversation_.add("assistant", answer.text + answer.tools, answer.reasoning);
      if (std::string_view(answer.finish) == "context") {
        write_note("The context is full: /clear begins anew.");
      }
      if (!options_.quiet) write_note(Engine::speed(answer), Style::kDim);
    } catch (const hadal::Error& error) {
      printer.end();
      conversation_.drop_last();
      write_error(error.what(), with_flag_names(error.hint()));
      failed_ = true;
    }
    interrupt::clear();
  }

  Options& options_;
  Engine engine_;
  hadal::Session session_;
  Conversation conversation_;
  bool failed_ = false;
};

}  // namespace

void ChatCommand::add_to(CLI::App& app) {
  app.add_option("-p,--prompt", first_message, "The first message")->option_text("TEXT");
  options.add_model_flags(app);
  options.add_session_flags(app);
  options.add_chat_flags(app);
  app.add_flag("--interactive", interactive, "What chat is anyway")->group("");
  app.add_option("--history", history_file, "Keep what was typed in this file")
      ->option_text("FILE")
      ->group("Chat");
  options.add_sampling_flags(app);
  options.add_output_flags(app, /*with_json=*/false);
  app.footer(std::string("In the conversation:\n") + kHelp + "\n");
}

int ChatCommand::run() {
  options.resolve();
  Chat chat(options);
  LineEditor editor(history_file);
  if (stdin_is_terminal() && !options.quiet) {
    write_note("/help lists the commands; Ctrl-C ends an answer, Ctrl-D leaves.", Style::kDim);
  }
  bool asked_to_leave = false;
  bool going_on = first_message.empty() || chat.handle(first_message);
  while (going_on) {
    std::string line;
    switch (editor.read(line)) {
      case LineEditor::Result::kEnd: going_on = false; break;
      case LineEditor::Result::kInterrupted:
        if (asked_to_leave || !stdin_is_terminal()) return kInterrupted;
        asked_to_leave = true;
        write_note("Ctrl-C again to leave.", Style::kDim);
        interrupt::clear();
        break;
      case LineEditor::Result::kLine:
        asked_to_leave = false;
        going_on = chat.handle(line);
        break;
    }
  }
  return chat.failed() && !stdin_is_terminal() ? kFailure : kOk;
}

}  // namespace cli
