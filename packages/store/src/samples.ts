/** Samples are packed by core, which records them with its decisions too. */
export { packSamples, unpackSamples } from "@neuropilot/core";
