/** Runs before each test file: the app's modules are evaluated anew, so that no state of another file is left. */

import { vi } from "vitest";

vi.resetModules();
