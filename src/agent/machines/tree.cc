#include "agent/machines/tree.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "agent/demo/demo_app.h"
#include "os/user.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

struct Folder {
  const char* path;
  unsigned mode;
};
constexpr std::array kFolders{Folder{"", 0755},          Folder{"dev", 0755},     Folder{"proc", 0555},    Folder{"sys", 0555},
                              Folder{"run", 0755},       Folder{"tmp", 01777},    Folder{"usr", 0755},     Folder{"opt", 0755},
                              Folder{"etc", 0755},       Folder{"home", 0755},    Folder{"root", 0700},    Folder{"mnt", 0755},
                              Folder{"srv", 0755},       Folder{"var", 0755},     Folder{"var/lib", 0755}, Folder{"var/log", 0755},
                              Folder{"var/cache", 0755}, Folder{"var/tmp", 01777}};

struct Link {
  const char* path;
  const char* target;
};
constexpr std::array kLinks{Link{"bin", "usr/bin"},
                            Link{"sbin", "usr/sbin"},
                            Link{"lib", "usr/lib"},
                            Link{"lib64", "usr/lib64"},
                            Link{"var/run", "/run"},
                            Link{"etc/os-release", "../usr/lib/os-release"},
                            Link{"etc/mtab", "../proc/self/mounts"}};

/// Copied from the host as they are: what the dynamic linker and the alternatives' links need.
constexpr std::array kCopied{"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives",
                             "resolv.conf", "services",   "protocols",    "debian_version"};

Result<void> makeFolders(const std::string& root) {
  for (const auto& folder : kFolders) {
    const auto path = root + "/" + folder.path;
    if (::mkdir(path.c_str(), 0755) != 0) return failErrno("machine.tree", "cannot create " + path, errno);
    if (::chmod(path.c_str(), folder.mode) != 0) return failErrno("machine.tree", "cannot change the mode of " + path, errno);
  }
  for (const auto& link : kLinks)
    if (::symlink(link.target, (root + "/" + link.path).c_str()) != 0)
      return failErrno("machine.tree", fmt::format("cannot link {}/{}", root, link.path), errno);
  return {};
}

Result<void> copyEtc(const std::string& root) {
  for (const char* name : kCopied) {
    std::error_code error;
    const auto from = fs::path("/etc") / name;
    if (!fs::exists(from, error)) continue;
    fs::copy(from, root + "/etc/" + name, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
    // /etc/resolv.conf may be a link to a file the machine does not have: not needed on the host's own network.
    if (error) return fail("machine.tree", fmt::format("cannot copy {}: {}", from.string(), error.message()));
  }
  return {};
}

std::string passwdText(const os::User* postgres) {
  std::string text =
      "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nbin:x:2:2:bin:/bin:/usr/sbin/nologin\n"
      "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
  if (postgres) text += fmt::format("postgres:x:{}:{}:PostgreSQL:/var/lib/postgresql:/bin/bash\n", postgres->uid, postgres->gid);
  return text;
}

std::string groupText(const os::User* postgres) {
  std::string text = "root:x:0:\ndaemon:x:1:\nbin:x:2:\nadm:x:4:\ntty:x:5:\nnogroup:x:65534:\n";
  if (postgres) text += fmt::format("postgres:x:{}:\n", postgres->gid);
  return text;
}

Result<void> writeEtc(const std::string& root, const MachineSpec& spec, const os::User* postgres) {
  const auto etc = root + "/etc/";
  const auto write = [&](const char* name, const std::string& text) { return os::writeFile(etc + name, text, 0644); };
  SP_CHECK_OK(write("passwd", passwdText(postgres)));
  SP_CHECK_OK(write("group", groupText(postgres)));
  SP_CHECK_OK(write("hostname", spec.hostname + "\n"));
  SP_CHECK_OK(write("hosts", fmt::format("127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {}\n", spec.hostname)));
  SP_CHECK_OK(write("nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n"));
  return write("stillpoint-machine.json", json::toText(json::Object{{"image", spec.image}, {"dataBytes", spec.data_bytes}}));
}

}  // namespace

Result<void> makeTree(const std::string& root, const MachineSpec& spec) {
  if (spec.image != "ami-demo" && spec.image != "ami-bare")
    return fail("machine.image", fmt::format("there is no image '{}'; this host makes machines of ami-demo and ami-bare", spec.image));
  std::optional<os::User> postgres;
  if (spec.image == "ami-demo") {
    auto user = os::findUser("postgres");
    if (!user && user.error().code != "os.no_user") return std::unexpected(std::move(user.error()));
    if (!user || ::access((std::string(kPostgresBin) + "/postgres").c_str(), X_OK) != 0)
      return fail(
          "machine.image",
          fmt::format("ami-demo needs PostgreSQL 15 on this host ({} and the user postgres): apt-get install postgresql-15", kPostgresBin));
    postgres = std::move(*user);
  }
  SP_CHECK_OK(makeFolders(root));
  SP_CHECK_OK(copyEtc(root));
  SP_CHECK_OK(writeEtc(root, spec, postgres ? &*postgres : nullptr));
  // The program is bound over this file when the machine starts.
  SP_CHECK_OK(os::writeFile(root + "/opt/stillpoint", "", 0755));
  if (!postgres) return {};
  const auto home = root + "/var/lib/postgresql";
  if (::mkdir(home.c_str(), 0755) != 0 || ::chown(home.c_str(), postgres->uid, postgres->gid) != 0)
    return failErrno("machine.tree", "cannot create " + home, errno);
  return {};
}

}  // namespace sp::agent
