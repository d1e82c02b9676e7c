# Dependencies come from the system's packages; nothing is downloaded.
# docs/dependencies.md says why each.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)
find_package(CLI11 REQUIRED)
find_package(SQLite3 REQUIRED)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)
find_package(yaml-cpp REQUIRED)
if(NOT TARGET yaml-cpp::yaml-cpp)  # 0.7 names its target without a namespace.
  add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)
endif()
if(PJ_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
