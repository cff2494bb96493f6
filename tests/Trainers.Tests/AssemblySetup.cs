// libtorch's thread count, random state and tensor statistics belong to the process.
[assembly: DoNotParallelize]
