// The commands: what each takes from the command line, and what each does. A command returns an
// ExitCode and throws what goes wrong; main() reports it.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "examples/cli/options.hpp"

namespace cli {

struct ChatCommand {
  void add_to(CLI::App& app);
  int run();
  Options options;
  std::string first_message, history_file;
  bool interactive = false;
};

struct RunCommand {
  void add_to(CLI::App& app);
  int run();
  Options options;
  std::string prompt;
  bool as_chat = false, interactive = false, fix_bars = false, no_conversation = false;
  CLI::Option* prompt_option = nullptr;
};

struct BatchCommand {
  void add_to(CLI::App& app);
  int run();
  Options options;
  std::string file;
  bool raw = false;
};

struct TokenizeCommand {
  void add_to(CLI::App& app);
  int run();
  Options options;
  std::string text, ids;
  bool special = false, bos = false;
  CLI::Option *text_option = nullptr, *ids_option = nullptr;
};

struct InspectCommand {
  void add_to(CLI::App& app);
  int run();
  Options options;
  std::string key;
  bool tensors = false;
};

struct VerifyCommand {
  void add_to(CLI::App& app);
  int run();
  Options options;
  bool all = false;
};

struct BenchCommand {
  void add_to(CLI::App& app);
  int run();
  Options options;
  int64_t n_prefill = 512, n_decode = 64, depth = 0, n_runs = 5;
  bool profile = false;
};

struct PerplexityCommand {
  void add_to(CLI::App& app);
  int run();
  Options options;
  std::string text, against, save_logits, against_logits;
  int64_t context = 512, stride = 0, n_windows = 0;
  bool all_tokens = false, no_bos = false;
  CLI::Option *context_option = nullptr, *stride_option = nullptr;

 private:
  void check() const;
};

struct ImatrixCommand {
  void add_to(CLI::App& app);
  int run();
  Options options;
  std::string text, output;
  int64_t context = 512, n_windows = 0;
  bool add = false, with_head = false, no_bos = false;
};

// The whole file; "-" is stdin. Failure.
std::string read_text_file(const std::string& path);
// What texts begin with, if the model wants it.
std::optional<int32_t> bos_of(const hadal::Model& model);

// What the commands that write checkpoints share.
struct ConversionPaths {
  void add_to(CLI::App& app);
  void add_flags_to(CLI::App& app);
  int run();
  Options options;
  std::string from, to;
  bool dry_run = false, overwrite = false;
};

struct ConvertCommand {
  void add_to(CLI::App& app);
  int run();
  ConversionPaths work;
};

struct QuantiseCommand {
  void add_to(CLI::App& app);
  int run();
  ConversionPaths work;
  std::string type;
};

struct CastCommand {
  void add_to(CLI::App& app);
  int run();
  ConversionPaths work;
};

struct SplitCommand {
  void add_to(CLI::App& app);
  int run();
  ConversionPaths work;
  std::string size;
  int64_t tensors = 0;
};

struct MergeCommand {
  void add_to(CLI::App& app);
  int run();
  ConversionPaths work;
};

struct VersionCommand {
  void add_to(CLI::App& app);
  int run();
  bool json = false;
};

}  // namespace cli
