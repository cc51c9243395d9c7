// The entry of libhadal_onednn.so; see backends/module.hpp.
#include "backends/module.hpp"

#include <cstring>

#include "backends/onednn/onednn_backend.hpp"

extern "C" __attribute__((visibility("default"))) const hadal::Module* hadal_module(
    const char* build_id);

const hadal::Module* hadal_module(const char* build_id) {
  static constexpr hadal::Module kOurs = {hadal::kBuildId, &hadal::make_onednn_backend};
  static constexpr hadal::Module kNotForStrangers = {hadal::kBuildId, nullptr};
  return std::strcmp(build_id, hadal::kBuildId) == 0 ? &kOurs : &kNotForStrangers;
}
