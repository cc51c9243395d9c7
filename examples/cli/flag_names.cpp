#include "examples/cli/flag_names.hpp"

#include <hadal/hadal.h>
#include <algorithm>
#include <cstdint>
#include <string_view>

namespace cli {
namespace {

struct FlagName {
  int32_t key;
  const char* flag;
};
constexpr FlagName kFlags[] = {
    {HADAL_OPT_THREADS, "--threads"},
    {HADAL_OPT_HOST_BYTES, "--host-bytes"},
    {HADAL_OPT_DETERMINISM, "--determinism"},
    {HADAL_OPT_BACKEND, "--backend"},
    {HADAL_OPT_MTP_PATH, "--mtp"},
    {HADAL_OPT_CPU_ISA, "--cpu-isa"},
    {HADAL_OPT_CPU_ACTIVATIONS, "--cpu-activations"},
    {HADAL_OPT_MODULE_PATH, "--module-path"},
    {HADAL_OPT_CONTEXT, "--ctx-size"},
    {HADAL_OPT_CACHE_TYPE, "--cache-type-k"},
    {HADAL_OPT_CHAT_FORMAT, "--chat-format"},
    {HADAL_OPT_CONVERT_OVERWRITE, "--force"},
};

// Empty for a word that is no option.
std::string flag_of(const std::string& name) {
  int32_t key = 0;
  if (hadal_option_find(name.data(), name.size(), &key, nullptr) < 0) return "";
  for (const FlagName& known : kFlags) {
    if (known.key == key) return known.flag;
  }
  return "--option " + name + "=...";
}

}  // namespace

std::string with_flag_names(std::string hint) {
  constexpr std::string_view kBefore = "the option ";
  size_t at = 0;
  while ((at = hint.find(kBefore, at)) != std::string::npos) {
    const size_t begin = at + kBefore.size();
    const size_t end =
        std::min(hint.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", begin), hint.size());
    const std::string flag = flag_of(hint.substr(begin, end - begin));
    if (!flag.empty()) hint.replace(at, end - at, flag);
    at = flag.empty() ? end : at + flag.size();
  }
  return hint;
}

}  // namespace cli
