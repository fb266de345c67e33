/**
 * How many times slower than the machines that the time limits were chosen for this one is: GANTRY_TEST_SLOWNESS, 1 when it
 * is not set. Time limits that only catch what hangs are multiplied by it.
 */
export const slowness = Math.max(1, Number(process.env.GANTRY_TEST_SLOWNESS) || 1);
