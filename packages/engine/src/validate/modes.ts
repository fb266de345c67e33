/** The container that a mode of the form `container:NAME` names; undefined for other modes, '' when the name is missing. */
export function containerOfMode(mode: string): string | undefined {
  return mode.startsWith('container:') ? mode.slice('container:'.length) : undefined;
}

/** Whether a container with this network mode gets a network namespace of its own. */
export function isPrivateNetwork(mode: string): boolean {
  return mode !== 'host' && containerOfMode(mode) === undefined;
}

/** Whether the mode names a network made by a user. */
export function isUserDefinedNetwork(mode: string): boolean {
  return !['default', 'bridge', 'host', 'none'].includes(mode) && containerOfMode(mode) === undefined;
}
