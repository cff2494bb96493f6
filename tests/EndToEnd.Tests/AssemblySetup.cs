// Training uses the process's libtorch threads and random state.
[assembly: DoNotParallelize]
