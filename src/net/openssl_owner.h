// Who owns an object of OpenSSL frees it by its own function: std::unique_ptr<BIO, FreeBy<&BIO_free_all>>.
#pragma once

namespace sp::net {

template <auto Free>
struct FreeBy {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

}  // namespace sp::net
