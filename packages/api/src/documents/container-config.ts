import { bool, duration, int, map, pointer, string, stringMap, strings, struct, words } from '../json/schema.ts';

const emptyStruct = struct('struct {}', {});

const healthConfig = struct(
  'container.HealthConfig',
  {},
  {
    Test: strings,
    Interval: duration,
    Timeout: duration,
    StartPeriod: duration,
    StartInterval: duration,
    Retries: int,
  },
);

/** ContainerConfig of Engine API 1.51. */
export const containerConfig = struct(
  'container.Config',
  {
    Hostname: string,
    Domainname: string,
    User: string,
    AttachStdin: bool,
    AttachStdout: bool,
    AttachStderr: bool,
    Tty: bool,
    OpenStdin: bool,
    StdinOnce: bool,
    Env: strings,
    Cmd: words,
    Image: string,
    Volumes: map(emptyStruct, 'map[string]struct {}'),
    WorkingDir: string,
    Entrypoint: words,
    OnBuild: strings,
    Labels: stringMap,
  },
  {
    ExposedPorts: map(emptyStruct, 'nat.PortSet'),
    Healthcheck: pointer(healthConfig),
    ArgsEscaped: bool,
    NetworkDisabled: bool,
    MacAddress: string,
    StopSignal: string,
    StopTimeout: pointer(int),
    Shell: words,
  },
);
