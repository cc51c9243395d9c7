// The flags that commands share, under the names that llama.cpp and DeepSeek's demo gave them, and
// the library's options that they set. What was not given is left to the library.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <hadal/hadal.hpp>
#include <list>
#include <string>
#include <vector>

namespace cli {

class Options {
 public:
  // Which flags a command has.
  // File, threads, backend. is_positional: the file may stand without its flag.
  void add_model_flags(CLI::App& app, bool is_positional = false);
  void add_session_flags(CLI::App& app);   // context, cache
  void add_chat_flags(CLI::App& app);      // format, system prompt, thinking
  void add_sampling_flags(CLI::App& app);  // temperature and so on, length, stop
  void add_output_flags(CLI::App& app, bool with_json = true);
  void add_conversion_flags(CLI::App& app);    // those of quantisation, type, form of kv_b
  void add_quantisation_flags(CLI::App& app);  // types of single tensors, MTP layers
  void add_split_flags(CLI::App& app);         // bytes and tensors of a file
  void add_work_flags(CLI::App& app);          // threads, memory, for work without a model

  // Reads what was given. UsageError, hadal::Error for a value that cannot be.
  void resolve();

  std::string model;
  std::string system;
  bool think = false;
  bool json = false;
  bool quiet = false;
  int64_t logprobs = 0;

  hadal::Config runtime, model_options, session, sampler, request, conversion;

 private:
  // A flag that sets a library option as it is; its type and object are the library's knowledge.
  struct Given {
    std::string flag;
    int32_t key;
    std::string value;
    CLI::Option* option;
  };
  CLI::Option* add(CLI::App& app, const char* flags, int32_t key, const char* help,
                   const char* type);
  void set(const std::string& flag, int32_t key, const std::string& value);
  void add_any_option(CLI::App& app, const char* group);
  void set_any_option(const std::string& text);
  void refuse_what_is_missing() const;

  std::list<Given> given_;  // a list: CLI11 keeps pointers to the values
  std::string n_gpu_layers_ = "0";
  std::string max_new_tokens_ = "-1";
  std::string demo_config_;
  std::string split_size_;
  std::vector<std::string> stops_, any_options_;
  bool no_mmap_ = false, mtp_only_ = false, is_conversion_ = false;
  bool verbose_ = false;
};

// llama.cpp writes some long flags with a single dash (-ngl); CLI11 would read those as letters.
std::vector<std::string> with_long_flags(int argc, char** argv);

// The whole text as a number; UsageError names the flag.
int64_t whole_number(const std::string& flag, const std::string& text);
double real_number(const std::string& flag, const std::string& text);
// "40G": decimal, as disks and other tools count.
int64_t size_in_bytes(const std::string& flag, const std::string& text);

}  // namespace cli
