// What a configuration says, compared with what the family is known to be: none of it keeps a model
// from running, all of it has made somebody's answers worse.
#pragma once

#include "lib/checkpoint/checkpoint.hpp"
#include "lib/model/config.hpp"
#include "lib/verify/finding.hpp"

namespace hadal {

// Part of a check that has begun.
void look_at_epsilon(const Checkpoint& checkpoint, const ModelConfig& config, Findings& findings);

void check_expert_groups(const Checkpoint& checkpoint, const ModelConfig& config,
                         Findings& findings);
void check_router(const Checkpoint& checkpoint, const ModelConfig& config, Findings& findings);
void check_yarn(const Checkpoint& checkpoint, const ModelConfig& config, Findings& findings);
void check_lm_head(const Checkpoint& checkpoint, const ModelConfig& config, Findings& findings);

}  // namespace hadal
