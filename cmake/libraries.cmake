# The libraries Stillpoint stands on, all from Debian.
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(OpenSSL 3 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(EXPAT REQUIRED)
find_library(RE2_LIBRARY re2 REQUIRED)
find_package(Threads REQUIRED)
find_package(GTest)
# Time zones: this libstdc++ has none. Its rules are those of the system's tzdata, the ones of years after 2037 too.
find_package(absl REQUIRED)
pkg_check_modules(spdlog REQUIRED IMPORTED_TARGET spdlog)
pkg_check_modules(fmt REQUIRED IMPORTED_TARGET fmt)
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(systemd REQUIRED IMPORTED_TARGET libsystemd)

add_library(sp_options INTERFACE)
target_compile_options(sp_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Werror -fno-omit-frame-pointer)
target_compile_definitions(sp_options INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION)
target_include_directories(sp_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_link_options(sp_options INTERFACE -fuse-ld=mold)
target_link_libraries(sp_options INTERFACE Threads::Threads PkgConfig::fmt)
