#include "cli/verbs/verbs.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include <fmt/format.h>

#include "os/file.h"

namespace sp::cli {
namespace {

std::string shellQuote(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += "'\\''";
    else out += c;
  }
  return out + "'";
}

// The CLI's profile file of our own: the user's ~/.aws/config may name another region, role or endpoint.
Result<std::string> ourConfigFile(const Target& target) {
  auto file = target.data_dir.empty() ? std::string("/dev/null") : target.data_dir + "/aws-config";
  if (file == "/dev/null") return file;
  // Older CLIs and SDKs (Debian's) presign URLs of S3 with version 2, and the CLI's version 1 fetches parameters that look like URLs.
  const auto wanted = fmt::format(
      "# Written by stillpoint env and aws: what is changed here is written anew.\n[default]\nregion = {}\ncli_pager =\n"
      "cli_follow_urlparam = false\ns3 =\n    signature_version = s3v4\n",
      target.region);
  const auto there = os::readFile(file, 1U << 20U);
  if (there && *there == wanted) return file;
  const auto written = os::writeFileDurably(file, wanted, 0644);
  // Another user's directory that may be read but not written: the CLI does with what is there.
  return written || there ? file : std::string("/dev/null");
}

// Where the AWS CLI finds Stillpoint's own operations, before the user's own models; empty if the server is elsewhere.
std::string modelPath(const Target& target) {
  if (target.data_dir.empty()) return "";
  auto path = target.data_dir + "/botocore";
  if (::access(path.c_str(), R_OK) != 0) return "";
  const char* known = std::getenv("AWS_DATA_PATH");
  if (known == nullptr || *known == '\0' || std::string_view(known) == path) return path;
  return std::string_view(known).starts_with(path + ":") ? known : path + ":" + known;
}

}  // namespace

int envVerb(const Target& target) {
  const auto config = ourConfigFile(target);
  std::string out;
  out += fmt::format("export AWS_ENDPOINT_URL={}\nexport STILLPOINT_ENDPOINT={}\n", shellQuote(target.api), shellQuote(target.api));
  if (target.data_dir.empty()) {
    out += fmt::format("export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\nunset AWS_SESSION_TOKEN AWS_PROFILE\n",
                       shellQuote(target.access_key_id), shellQuote(target.secret_access_key));
  } else {
    out += fmt::format("export AWS_SHARED_CREDENTIALS_FILE={}\n", shellQuote(target.data_dir + "/credentials"));
    out += "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE\n";
  }
  out += fmt::format("export AWS_CONFIG_FILE={}\n", shellQuote(config.value_or("/dev/null")));
  out += fmt::format("export AWS_REGION={}\nexport AWS_DEFAULT_REGION={}\nexport AWS_EC2_METADATA_DISABLED=true\n",
                     shellQuote(target.region), shellQuote(target.region));
  if (const auto models = modelPath(target); !models.empty()) out += fmt::format("export AWS_DATA_PATH={}\n", shellQuote(models));
  // AWS CLI before 2.13 and boto3 before 1.28 do not read AWS_ENDPOINT_URL and would call the real AWS.
  out += "aws() { command aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; }\n";
  fmt::print("{}", out);
  const int old_boto = std::system(
      "python3 -c 'import boto3,sys; sys.exit(3 if tuple(map(int, boto3.__version__.split(\".\")[:2])) < (1, 28) else 0)' >/dev/null 2>&1");
  if (WIFEXITED(old_boto) && WEXITSTATUS(old_boto) == 3)
    fmt::print(stderr,
               "stillpoint: the installed boto3 is older than 1.28 and ignores AWS_ENDPOINT_URL: it would call the real AWS. Write "
               "boto3.client(…, endpoint_url=os.environ[\"AWS_ENDPOINT_URL\"])\n");
  return 0;
}

int awsVerb(const Target& target, const std::vector<std::string>& words) {
  if (target.data_dir.empty()) {
    setenv("AWS_ACCESS_KEY_ID", target.access_key_id.c_str(), 1);
    setenv("AWS_SECRET_ACCESS_KEY", target.secret_access_key.c_str(), 1);
  } else {
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    setenv("AWS_SHARED_CREDENTIALS_FILE", (target.data_dir + "/credentials").c_str(), 1);
  }
  unsetenv("AWS_SESSION_TOKEN");
  unsetenv("AWS_PROFILE");
  const auto config = ourConfigFile(target);
  setenv("AWS_CONFIG_FILE", config.value_or("/dev/null").c_str(), 1);
  setenv("AWS_ENDPOINT_URL", target.api.c_str(), 1);
  setenv("AWS_REGION", target.region.c_str(), 1);
  setenv("AWS_DEFAULT_REGION", target.region.c_str(), 1);
  setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
  if (const auto models = modelPath(target); !models.empty()) setenv("AWS_DATA_PATH", models.c_str(), 1);
  std::vector<std::string> argv = {"aws", "--endpoint-url", target.api};
  argv.insert(argv.end(), words.begin(), words.end());
  std::vector<char*> pointers;
  for (auto& word : argv) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execvp("aws", pointers.data());
  fmt::print(stderr,
             "stillpoint: cannot run the AWS CLI (aws): {}. Install it (apt-get install awscli), or use any AWS SDK with endpoint {}\n",
             strerrordesc_np(errno), target.api);
  return 127;
}

}  // namespace sp::cli
