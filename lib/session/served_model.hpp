// A loaded model at work: the model, its runtime, and the scheduler that all its sessions share.
#pragma once

#include <memory>

#include "lib/model/model.hpp"
#include "lib/session/runtime.hpp"
#include "lib/session/scheduler.hpp"

namespace hadal {

struct ServedModel {
  ServedModel(std::shared_ptr<Runtime> r, std::shared_ptr<Model> m)
      : runtime(std::move(r)), model(std::move(m)), scheduler(*model) {}

  const std::shared_ptr<Runtime> runtime;
  const std::shared_ptr<const Model> model;
  Scheduler scheduler;
};

}  // namespace hadal
