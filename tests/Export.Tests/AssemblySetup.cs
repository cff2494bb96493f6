[assembly: Parallelize]
