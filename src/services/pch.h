// Parsed once for all files of this folder but its tests (cmake/folder.cmake): what nearly every operation includes. Every file
// includes what it uses and compiles without it.
#pragma once
#include "aws/operation.h"
#include "base/pch.h"
#include "base/strings.h"
#include "services/context.h"
