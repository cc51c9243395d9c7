// The program `hadal`: the command line, and the one place where failures are reported.
#include <algorithm>
#include <new>

#include "examples/cli/commands.hpp"
#include "examples/cli/engine.hpp"
#include "examples/cli/exit_codes.hpp"
#include "examples/cli/flag_names.hpp"
#include "examples/cli/interrupt.hpp"
#include "examples/cli/terminal.hpp"

namespace cli {
namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  hadal chat -m model.gguf --temp 0.6\n"
    "  hadal run -m model.gguf -n 100 --prompt 'Once upon a time'\n"
    "  hadal run -m model.gguf --prompt '<\uFF5CUser\uFF5C>What is 1+1?<\uFF5CAssistant\uFF5C>'\n"
    "  hadal batch -m model.gguf questions.txt > answers.jsonl\n"
    "  hadal inspect -m model.gguf --tensors\n"
    "  hadal verify model.gguf\n"
    "  hadal convert DeepSeek-V3/ model.gguf --type q8_0 --split-size 40G\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 a command line that makes no sense, 130 Ctrl-C.\n";

int dispatch(int argc, char** argv) {
  CLI::App app(
      "Runs models of the DeepSeek-V3 family from GGUF files and directories of "
      "safetensors.",
      "hadal");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "The help of every command");
  app.set_version_flag("--version", std::string("hadal ") + HADAL_VERSION_STRING);

  ChatCommand chat;
  RunCommand run;
  BatchCommand batch;
  TokenizeCommand tokenize;
  InspectCommand inspect;
  VerifyCommand verify;
  BenchCommand bench;
  PerplexityCommand perplexity;
  ImatrixCommand imatrix;
  ConvertCommand convert;
  QuantiseCommand quantise;
  CastCommand cast;
  SplitCommand split;
  MergeCommand merge;
  VersionCommand version;
  int result = kOk;
  const auto add = [&](const char* name, const char* what, auto& command) {
    CLI::App* sub = app.add_subcommand(name, what);
    sub->option_defaults()->take_last();  // as in llama.cpp: a later flag wins
    command.add_to(*sub);
    sub->callback([&result, &command] { result = command.run(); });
    return sub;
  };
  add("run", "Write on from a prompt, given or from stdin", run);
  add("chat", "Talk to the model", chat);
  add("batch", "Answer a file of prompts, one a line, as JSON lines", batch);
  add("tokenize", "Text to token ids, and back", tokenize);
  add("inspect", "Metadata, tensors, sizes and memory of a file", inspect);
  add("verify", "Check a file or directory: what is wrong with it, and what to do", verify);
  add("bench", "Tokens per second of a file on this machine", bench);
  add("imatrix", "Measure with a text what matters most when weights lose bits", imatrix);
  add("perplexity", "How likely a model holds a text, and how far it is from another", perplexity);
  add("convert", "Write a GGUF file from a directory of safetensors or a GGUF file", convert);
  add("quantise", "Write a file in another type", quantise)->alias("quantize");
  add("cast", "Write a directory in FP8 as one in BF16", cast);
  add("split", "Cut a GGUF file into several", split);
  add("merge", "Put the files of a set together", merge);
  add("version", "Version of the library and how it was built", version);

  std::vector<std::string> arguments = with_long_flags(argc, argv);
  if (arguments.empty()) {
    write_error("there is no command", "hadal --help lists them.");
    return kUsage;
  }
  const auto is_named = [&](CLI::App* sub) { return sub->check_name(arguments[0]); };
  const std::vector<CLI::App*> commands = app.get_subcommands(nullptr);
  if (arguments[0].rfind('-', 0) != 0 && std::none_of(commands.begin(), commands.end(), is_named)) {
    write_error("there is no command '" + arguments[0] + "'", "hadal --help lists them.");
    return kUsage;
  }
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    const bool help = error.get_exit_code() == 0;
    if (help) return app.exit(error);
    write_error(error.what(), "hadal --help, or hadal COMMAND --help, lists what there is.");
    return kUsage;
  }
  return result;
}

int guarded(int argc, char** argv) {
  try {
    return dispatch(argc, argv);
  } catch (const Interrupted&) {
    return kInterrupted;
  } catch (const Failure& failure) {
    write_error(failure.what(), failure.hint());
    return kFailure;
  } catch (const UsageError& usage) {
    write_error(usage.what(), usage.hint());
    return kUsage;
  } catch (const hadal::Error& error) {
    write_error(error.what(), with_flag_names(error.hint()));
    const bool usage =
        error.code() == HADAL_E_OUT_OF_RANGE || error.code() == HADAL_E_UNKNOWN_OPTION;
    return usage ? kUsage : kFailure;
  } catch (const std::bad_alloc&) {
    write_error("out of memory", "Close other programs, or take a smaller model.");
    return kFailure;
  } catch (const std::exception& other) {
    write_error(other.what(), "");
    return kFailure;
  }
}

}  // namespace
}  // namespace cli

int main(int argc, char** argv) {
  cli::interrupt::install();
  return cli::guarded(argc, argv);
}
