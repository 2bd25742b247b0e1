import { conform } from "./conform.mjs";

conform("v4");
