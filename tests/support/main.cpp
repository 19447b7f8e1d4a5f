#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "proto/identity.hpp"

int main(int argc, char** argv) {
    presmesh::proto::crypto_init();
    return doctest::Context(argc, argv).run();
}
