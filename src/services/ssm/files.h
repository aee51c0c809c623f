// The files of commands: script sources out of buckets, outputs into buckets, for the agents' port.
#pragma once
#include "runtime/command_files.h"
#include "services/context.h"
#include "services/s3/objects.h"
#include "services/ssm/commands.h"

namespace sp::services::ssm {

class BucketFiles final : public runtime::CommandFiles {
 public:
  /// All outlive it.
  BucketFiles(Context& context, Commands& commands, s3::Objects& objects) : context_(context), commands_(commands), objects_(objects) {}

  Result<std::unique_ptr<Source>> source(std::string_view command, std::string_view agent, std::string_view key) override;
  Result<std::unique_ptr<Sink>> output(std::string_view command, std::string_view agent, std::string_view step,
                                       std::string_view stream) override;

 private:
  Context& context_;
  Commands& commands_;
  s3::Objects& objects_;
};

}  // namespace sp::services::ssm
