// The files of commands: script sources out of buckets, outputs into the store of outputs and into buckets, for the agents' port; and
// their scripts' reboots.
#pragma once
#include "runtime/command_files.h"
#include "services/context.h"
#include "services/s3/objects.h"
#include "services/ssm/commands.h"

namespace sp::services::ssm {

class BucketFiles final : public runtime::CommandFiles {
 public:
  /// All outlive it.
  BucketFiles(Context& context, ec2::Instances& instances, Commands& commands, s3::Objects& objects, store::OutputStore& outputs)
      : context_(context), instances_(instances), commands_(commands), objects_(objects), outputs_(outputs) {}

  Result<std::unique_ptr<Source>> source(std::string_view command, std::string_view agent, std::string_view key) override;
  Result<store::OutputKey> output(std::string_view command, std::string_view agent, std::string_view step,
                                  std::string_view stream) override;
  Result<void> endOutput(const store::OutputKey& key, std::uint64_t total, std::string_view tail) override;
  Result<RebootBy> reboot(std::string_view command, std::string_view agent) override;

 private:
  struct Place {
    std::string bucket;
    std::string key;
  };
  Result<Place> placeOf(const store::OutputKey& key);
  Result<void> storeObject(const Place& place, const store::OutputKey& key, std::uint64_t total, std::string_view tail);
  void noteMissing(const store::OutputKey& key, std::uint64_t total, std::uint64_t tail);

  Context& context_;
  ec2::Instances& instances_;
  Commands& commands_;
  s3::Objects& objects_;
  store::OutputStore& outputs_;
};

}  // namespace sp::services::ssm
